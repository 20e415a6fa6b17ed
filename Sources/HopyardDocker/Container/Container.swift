public import HopyardContainers
public import HopyardSimulator
public import HopyardUserland
public import HopyardWire

/// Whose network a container sees (`--network`).
public enum NetworkMode: Hashable, Sendable {
  /// docker0.
  case `default`
  /// A network by its name or id.
  case named(String)
  /// The host's own.
  case host
  /// Nothing but `lo`.
  case none
  /// Another container's.
  case container(String)

  /// Reads the value of `--network`.
  public init(_ text: String) {
    switch text {
    case "", "default", "bridge": self = .default
    case "host": self = .host
    case "none": self = .none
    default:
      self = text.hasPrefix("container:") ? .container(String(text.dropFirst(10))) : .named(text)
    }
  }

  /// The text as `docker inspect` shows it.
  public var text: String {
    switch self {
    case .default: "bridge"
    case .named(let name): name
    case .host: "host"
    case .none: "none"
    case .container(let name): "container:" + name
    }
  }
}

/// What `docker create` is asked for.
public struct ContainerSpecification: Sendable {
  /// The name; nil to make one up.
  public var name: String?
  /// The image.
  public var image: String
  /// `--hostname`.
  public var hostname: String?
  /// `--domainname`.
  public var domainname: String?
  /// What is run instead of the image's program.
  public var command: [String] = []
  /// `--env`, in order.
  public var environment: [(name: String, value: String)] = []
  /// `--label`, in order.
  public var labels: [(name: String, value: String)] = []
  /// Whose network it sees.
  public var networkMode = NetworkMode.default
  /// What it asks of networks; the first one's interface is `eth0`.
  public var endpoints: [EndpointSpecification] = []
  /// `--publish`.
  public var ports: [PortRequest] = []
  /// `--publish-all`.
  public var publishesAll = false
  /// `--expose`.
  public var exposed: [ServicePort] = []
  /// What it serves, where that is known better than by guessing; nil to guess.
  public var services: [ServicePort]?
  /// `--add-host`.
  public var extraHosts: [(name: String, address: String)] = []
  /// `--dns`.
  public var dns: [IPAddress] = []
  /// `--dns-search`.
  public var dnsSearch: [String] = []
  /// `--dns-option`.
  public var dnsOptions: [String] = []
  /// `--sysctl`.
  public var sysctls: [(name: String, value: String)] = []
  /// `--restart`.
  public var restart = "no"
  /// `--rm`.
  public var isRemovedAtEnd = false

  /// Makes a specification.
  public init(image: String) { self.image = image }
}

/// A container.
public final class Container {
  /// Where a container is in its life.
  public enum State: String, Sendable {
    /// It was never started.
    case created
    /// It runs.
    case running
    /// It ended.
    case exited
  }

  /// 64 hexadecimal digits.
  public let id: String
  /// The name, without a slash.
  public internal(set) var name: String
  /// What it was made from.
  public internal(set) var specification: ContainerSpecification
  /// When it was made.
  public let created: Instant
  /// When it was last started.
  public internal(set) var started: Instant?
  /// When it last ended.
  public internal(set) var finished: Instant?
  /// Where it is in its life.
  public internal(set) var state = State.created
  /// How its process ended.
  public internal(set) var exitStatus: Int32 = 0
  /// Its surroundings while it runs.
  public internal(set) var sandbox: Sandbox?
  /// Its first process while it runs.
  public internal(set) var process: Process?
  /// Its places on networks, in the order of its interfaces.
  public internal(set) var endpoints: [DockerEndpoint] = []
  /// Its published ports while it runs.
  public var bindings: [PortBinding] { endpoints.flatMap(\.bindings) }
  /// What it serves while it runs.
  public internal(set) var server: PortServer?
  /// Everything that was assumed about what it serves.
  public internal(set) var assumptions: [String] = []
  /// What its process has printed.
  public let log = ContainerLog()

  var resolver: EmbeddedResolver?
  /// Where its process reads and writes the next time it starts, in place of the log.
  var attached: [OpenFile?] = []
  var hostsFile = ContainerHostsFile()
  var resolverFile = ResolverFile("")
  /// Woken when the state changes.
  let changed = WaitQueue()

  init(id: String, name: String, _ specification: ContainerSpecification, created: Instant) {
    self.id = id
    self.name = name
    self.specification = specification
    self.created = created
  }

  /// The first twelve digits of its id, which are also its host name unless one is given.
  public var shortID: String { String(id.prefix(12)) }
  /// The host name.
  public var hostname: String { specification.hostname ?? shortID }
  /// The image.
  public var image: String { specification.image }
  /// Whether it runs.
  public var isRunning: Bool { state == .running }

  /// The servers that its embedded resolver asks, in order.
  public var externalServers: [ResolverFile.Server] { resolverFile.externalServers }

  /// The endpoint through which it leaves: the highest priority, then one that is not internal,
  /// then the network's name.
  public var gatewayEndpoint: DockerEndpoint? {
    endpoints.filter { !$0.network.isInternal && $0.network.mode4 != .isolated }.min {
      ($1.specification.gatewayPriority, $0.network.name)
        < ($0.specification.gatewayPriority, $1.network.name)
    }
  }

  /// Its address on a network, or its first one.
  public func address(on network: String? = nil) -> IPv4Address? {
    endpoints.first { network == nil || $0.network.name == network }?.address
  }
}

/// What a container's process prints.
public final class ContainerLog: OpenFile {
  /// All of it.
  public private(set) var bytes: [UInt8] = []
  static let limit = 1 << 20

  /// Makes an empty log.
  public override init() { super.init() }

  public override func tryWrite(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    self.bytes += bytes
    if self.bytes.count > Self.limit { self.bytes.removeFirst(self.bytes.count - Self.limit) }
    return bytes.count
  }

  public override func tryRead(_ limit: Int) throws(Errno) -> [UInt8]? { [] }
}
