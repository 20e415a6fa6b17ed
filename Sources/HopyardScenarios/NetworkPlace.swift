public import HopyardServices
public import HopyardSimulator
public import HopyardUserland
public import HopyardWire

/// A place in a network where programs run: a machine, a namespace of it, a container or a pod.
public struct NetworkPlace {
  /// Its name: `machine`, `machine/namespace`, `machine/container` or `cluster/namespace/pod`.
  public let name: String
  /// The programs of its machine.
  public let userland: Userland
  /// The network that it sees.
  public let namespace: NetworkNamespace
  /// Lets a process see its network and files.
  let enter: (Process) -> Void

  /// Describes a place.
  public init(
    name: String,
    userland: Userland,
    namespace: NetworkNamespace,
    enter: @escaping (Process) -> Void
  ) {
    self.name = name
    self.userland = userland
    self.namespace = namespace
    self.enter = enter
  }

  /// The place of a namespace that shares its machine's files.
  init(name: String, userland: Userland, namespace: NetworkNamespace) {
    self.init(name: name, userland: userland, namespace: namespace) { $0.namespace = namespace }
  }

  /// A process there.
  func makeProcess(_ name: String) -> Process {
    let process = userland.makeProcess()
    enter(process)
    process.name = name
    return process
  }

  /// A program there, which reads the files that processes see.
  func makeProgram(_ name: String) -> Program {
    let process = makeProcess(name)
    return Program(
      in: namespace,
      name: name,
      pid: Int(process.pid),
      files: { try? process.contents(of: $0) }
    )
  }

  /// Its addresses, loopback aside, in the order of its interfaces.
  var addresses: [(address: IPv4Address, prefix: Int)] {
    namespace.devices.all.filter { !$0.isLoopback }.flatMap { device in
      device.inet.addresses.map { (IPv4Address(rawValue: $0.local), $0.prefixLength) }
    }
  }
}

/// What makes endpoints beside plain machines: Docker hosts and clusters.
public protocol NetworkPart: AnyObject {
  /// The name in the scenario.
  var name: String { get }
  /// The place of a name below it, without its own; nil where there is none.
  func endpoint(_ path: [String]) -> NetworkPlace?
  /// All places, for probes; in the order of the file.
  var endpoints: [NetworkPlace] { get }
  /// What had to be assumed, each once, such as `db serves postgres on 5432`.
  var assumptions: [String] { get }
  /// What does not run though it should, and why, as far as it is known.
  var complaints: [String] { get }
  /// Whether everything runs.
  var isReady: Bool { get }
  /// The flows to try where nothing says what to expect: what is published, from a machine outside,
  /// and every service name from every container.
  ///
  /// Of many only the first are given, as many as `limit`, with how many there are in all.
  func probeTargets(outside: NetworkPlace?, limit: Int) -> (first: [ProbeTarget], count: Int)
}

extension NetworkPart {
  /// Nothing is missing.
  public var complaints: [String] { [] }
  /// Nothing to try.
  public func probeTargets(
    outside: NetworkPlace?,
    limit: Int
  ) -> (first: [ProbeTarget], count: Int) { ([], 0) }
}

/// The places of this module, which are others than the endpoints of Docker's networks.
typealias Endpoint = NetworkPlace

/// A flow to try.
public struct ProbeTarget {
  /// Who sends it.
  public var from: NetworkPlace
  /// The address, or the name that is resolved at the sender.
  public var host: String
  /// The port.
  public var port: UInt16
  /// The protocol.
  public var ipProtocol: IPProtocol

  /// Describes a flow.
  public init(from: NetworkPlace, host: String, port: UInt16, ipProtocol: IPProtocol) {
    self.from = from
    self.host = host
    self.port = port
    self.ipProtocol = ipProtocol
  }
}
