import ArgumentParser
import Hopyard

/// `hopyard why`.
struct WhyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "why",
    abstract: "Say why a flow arrives or not: every device, route and rule on its way.",
    discussion: """
      Runs the scenario to its end, or to a time, then sends one real flow and follows
      the request and the answer. Exit status 0: both arrive; 1: not, and the first
      cause is named; 2: bad input.

        hopyard why two.yaml --from client --to web:80
        hopyard why two.yaml --from client --to 192.0.2.10:53 --proto udp --json
      """
  )

  @Argument(help: "The scenario.", completion: .file(extensions: ["yaml"]))
  var file: String

  @Option(help: "The sender: a machine, machine/container or cluster/namespace/pod.")
  var from: String

  @Option(help: "The receiver: such a name, an address, or a name resolved at the sender; :port.")
  var to: String

  @Option(help: "tcp, udp or icmp; tcp where a port is given, else icmp.")
  var proto: String?

  @Option(help: "The virtual time at which the flow is sent; the end of the steps by default.")
  var at: VirtualTime?

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    if let proto, !["tcp", "udp", "icmp"].contains(proto) {
      throw ValidationError("--proto \(proto), expected tcp, udp or icmp")
    }
    let source = try LabFile.read(file)
    do {
      let network = try NetworkInput.network(of: source)
      defer { network.close() }
      try network.runSteps(until: at?.nanoseconds)
      let report = try network.flow(from: from, to: to, ipProtocol: proto)
      Standard.output(json ? report.json + "\n" : report.description)
      Standard.flush()
      if !report.arrived { throw ExitCode(1) }
    } catch let problem as Problem {
      Standard.error("\(problem)\n")
      throw ExitCode(2)
    }
  }
}

/// Builds networks from what users have.
enum NetworkInput {
  /// The network of a compose file: a Docker host `docker` and a machine `client` on a LAN.
  private static func composeNetwork(_ source: ShellSource) throws(Problem) -> Network {
    let file = source.name.split(separator: "/").last.map(String.init) ?? source.name
    let text = """
      machines: {client: {interfaces: {eth0: 192.0.2.20/24}}}
      docker: {docker: {interfaces: {eth0: 192.0.2.10/24}, compose: "\(file)"}}
      links: [[client/eth0, docker/eth0]]
      """
    return try Network(text: text, file: source.name)
  }

  /// The network of a scenario.
  static func network(of source: ShellSource) throws(Problem) -> Network {
    if case .manifests = InputKind(source) {
      let text = ScenarioDraft.around(manifests: source.name)
      return try ScenarioDraft.network(text, for: source.name)
    }
    if case .compose = InputKind(source) { return try composeNetwork(source) }
    let text = String(decoding: source.bytes, as: UTF8.self)
    return try Network(text: text, file: source.name)
  }
}
