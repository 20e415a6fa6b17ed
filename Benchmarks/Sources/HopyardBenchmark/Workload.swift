import Hopyard

/// The workloads, by name.
enum Workload {
  struct Parameters {
    var packets: Int
    var hosts: Int
    var pending: Int
    var rules: Int
    var services: Int
    var entries: Int
    var captureDirectory: String?
  }

  private static let all: [(name: String, body: @Sendable (Parameters) throws -> Measurement)] = [
    ("veth", NetworkWorkloads.veth),
    ("bridge", NetworkWorkloads.bridge),
    ("chain8", NetworkWorkloads.chain),
    ("chain8-fw-est", NetworkWorkloads.chainEstablished),
    ("chain8-fw-scan", NetworkWorkloads.chainScan),
    ("stream-bridge", NetworkWorkloads.streamBridge),
    ("stream-chain", NetworkWorkloads.streamChain),
    ("stream-switch", NetworkWorkloads.streamSwitch),
    ("rules", RuleWorkloads.rules),
    ("kube-est", RuleWorkloads.kubeEstablished),
    ("kube-new", RuleWorkloads.kubeNew),
    ("conntrack", RuleWorkloads.conntrack),
    ("idle", NetworkWorkloads.idle),
    ("tcp-bulk", TCPBulkWorkloads.bulk),
    ("tcp-loss", TCPBulkWorkloads.loss),
    ("closure-event", MicroWorkloads.closureEvent),
    ("pcap-record", MicroWorkloads.pcapRecord),
    ("program-step", MicroWorkloads.programStep),
  ]

  static var names: [String] { all.map(\.name) }

  /// Runs a workload; nil if there is none of that name.
  static func run(_ name: String, _ parameters: Parameters) throws -> Measurement? {
    try all.first { $0.name == name }?.body(parameters)
  }
}
