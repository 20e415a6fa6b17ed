public import HopyardContainers
public import HopyardUserland

/// A scenario as its file says it: a network, what happens in it, and what must hold in the end.
public struct Scenario: Sendable {
  /// Text with the node where it stands.
  public struct Text: Sendable {
    /// The text.
    public var text: String
    /// Where it stands.
    public var node: YAMLNode
  }

  /// A network card.
  struct Interface: Sendable {
    var name: String
    var addresses: [Text] = []
    var mac: Text?
    var mtu: Int?
    var node: YAMLNode
  }

  /// A machine, or what a Docker host or node is besides.
  struct Machine: Sendable {
    var name: String
    var node: YAMLNode
    var interfaces: [Interface] = []
    var namespaces: [Text] = []
    var routes: [Text] = []
    var forwards = false
    var settings: [(name: String, value: Text)] = []
    var files: [(path: String, text: String)] = []
    var listens: [Text] = []
    var setup: [Text] = []
  }

  /// A cable or switch.
  struct Link: Sendable {
    var node: YAMLNode
    var name: String?
    var ports: [Text]
    var rate: Int64?
    var delay: Int64?
    var loss: Double?
    var queue: Int?
  }

  /// The outside world.
  struct Internet: Sendable {
    var machine: Machine
    var domains: [(name: String, server: Text, records: Text)] = []
    var resolvers: [Text] = []
    var hosts: [Text] = []
  }

  /// A Docker host.
  struct Docker: Sendable {
    var machine: Machine
    var compose: YAMLNode?
    var profile: String?
    var usesProxy: Bool?
    var serves: [(service: Text, ports: [Text])] = []
  }

  /// A cluster.
  struct Cluster: Sendable {
    var name: String
    var node: YAMLNode
    /// The machines that are its nodes alone.
    var machines: [Machine] = []
    /// The names of all its nodes.
    var nodeNames: [Text] = []
    var manifests: YAMLNode?
    var cni: String?
    var podCIDR: Text?
    var serviceCIDR: Text?
  }

  /// Commands on a machine.
  struct Step: Sendable {
    var node: YAMLNode
    var run: Text
    var name: String?
    var on: Text?
    var namespace: Text?
    var start: Int64?
    var isBackground = false
  }

  /// One flow.
  struct Flow: Sendable {
    var from: Text
    var to: Text
    var ipProtocol: String?
    var namespace: Text?
    var by: String?
    var fate: String?
  }

  /// Frames at an interface.
  struct Frames: Sendable {
    var on: Text
    var namespace: Text?
    var interface: Text
    var filter: Text
    var direction: String?
    var count: Int?
    var least: Int?
  }

  /// A rule's counters.
  struct Counter: Sendable {
    var on: Text
    var namespace: Text?
    var table: String
    var chain: String
    var rule: Text
    var packets: Int?
    var bytes: Int?
  }

  /// What must hold.
  enum Claim: Sendable {
    case step(
      Text,
      exit: Int?,
      output: String?,
      contains: [String],
      lacks: [String],
      within: Int64?
    )
    case within(Int64)
    case reachable(Flow)
    case refused(Flow)
    case dropped(Flow)
    case seen(Frames)
    case never(Frames)
    case counter(Counter)
    case resolves(name: String, from: Text, namespace: Text?, to: [String])
  }

  /// An expectation with its place.
  struct Expectation: Sendable {
    var node: YAMLNode
    var claim: Claim
    var because: String?
  }

  /// The file's name, as errors print it.
  public let file: String
  /// The folder that paths in it start from.
  public internal(set) var directory: String
  /// The file's text.
  let source: String
  /// What the scenario shows, in one line.
  public var title = ""
  /// The lesson: one idea, what to see, a question.
  public var about = ""
  /// The seed of all random choices.
  public var seed: UInt64 = 1
  /// When the run ends at the latest, in nanoseconds of virtual time.
  public var limit: Int64 = 600_000_000_000
  /// Which variant plain `iptables` is.
  public var iptables = IptablesVariant.nft
  /// Which dockerd's rules are written.
  var profile: String?
  var machines: [Machine] = []
  var links: [Link] = []
  var internet: Internet?
  var docker: [Docker] = []
  var clusters: [Cluster] = []
  var steps: [Step] = []
  var expectations: [Expectation] = []

  init(file: String, directory: String, source: String) {
    self.source = source
    self.file = file
    self.directory = directory
  }

  /// Reads a scenario file.
  public init(file: String) throws(Problem) {
    try self.init(text: ScenarioFiles.read(file), file: file)
  }

  /// Reads a scenario; unknown keys and values that make no sense are refused with their place.
  public init(text: String, file: String) throws(Problem) {
    var reader = ScenarioReader(file: file)
    self = try reader.read(text)
  }
}
