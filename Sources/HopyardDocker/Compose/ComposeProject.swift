public import HopyardContainers
import HopyardSimulator
import HopyardUserland
public import HopyardWire

/// A compose file, read and checked: what is to be made of it.
public struct ComposeProject: Sendable {
  /// The project's name, which stands before those of its networks and containers.
  public var name: String
  /// The services that are started, in the order of the file.
  public var services: [ComposeService] = []
  /// Services of profiles that are not active.
  public var inactiveServices: [ComposeService] = []
  /// The networks by their keys, in the order of the file.
  public var networks: [ComposeNetwork] = []
  /// What compose would warn of.
  public var warnings: [String] = []

  /// Makes an empty project.
  public init(name: String) { self.name = name }

  /// The service of a name.
  public func service(_ name: String) -> ComposeService? { services.first { $0.name == name } }

  /// The network of a key.
  public func network(_ key: String) -> ComposeNetwork? { networks.first { $0.key == key } }
}

/// A network of a compose file.
public struct ComposeNetwork: Sendable {
  /// Its key.
  public var key: String
  /// What Docker is asked for.
  public var specification: NetworkSpecification
  /// Whether it must be there already.
  public var isExternal = false
}

/// A service of a compose file.
public struct ComposeService: Sendable {
  /// When a dependency is met.
  public enum Condition: String, Sendable, CaseIterable {
    /// The other's containers run.
    case started = "service_started"
    /// They are healthy.
    case healthy = "service_healthy"
    /// They ended well.
    case completed = "service_completed_successfully"
  }

  /// Another service that must be there first.
  public struct Dependency: Sendable {
    /// The other service.
    public var service: String
    /// When it counts as there.
    public var condition = Condition.started
    /// Whether it must be there at all.
    public var isRequired = true
  }

  /// How the health of a container is found out.
  public struct Health: Sendable {
    /// The time to the first and between later checks, in nanoseconds.
    public var interval: Int64 = .seconds(30)
    /// Whether it is switched off.
    public var isDisabled = false
  }

  /// Its name.
  public var name: String
  /// What each of its containers is made from; names and networks are filled in later.
  public var container: ContainerSpecification
  /// `container_name`.
  public var containerName: String?
  /// `network_mode`; nil where it has networks.
  public var networkMode: String?
  /// Its networks by their keys.
  public var networks: [EndpointSpecification] = []
  /// The order of its networks: higher first.
  public var priorities: [Int] = []
  /// How many containers it has.
  public var replicas = 1
  /// Its profiles.
  public var profiles: [String] = []
  /// What must be there before it.
  public var dependencies: [Dependency] = []
  /// `links` and `external_links`: services or containers, and the names by which they are called.
  public var links: [(target: String, alias: String, isExternal: Bool)] = []
  /// Its health check.
  public var health: Health?

  /// Makes a service of an image.
  public init(name: String, image: String) {
    self.name = name
    container = ContainerSpecification(image: image)
  }
}
