public import HopyardUserland
import HopyardWire

/// What came of the flows that are tried where no scenario is around a compose file or manifests.
public struct ProbeReport: Sendable {
  /// One flow that was tried.
  public struct Probe: Sendable {
    /// Who sent it.
    public var from: String
    /// The name or address.
    public var to: String
    /// The port.
    public var port: UInt16
    /// `tcp` or `udp`.
    public var ipProtocol: String
    /// How it ended.
    public var result: FlowReport.Result
  }

  /// The flows in the order in which they were tried.
  public var probes: [Probe] = []
  /// How many more flows there are, which were not tried because there are so many.
  public var untried = 0

  /// The report as JSON: `{"probes":[{"from","to","port","proto","result"}]}`.
  public var json: String {
    let parts = probes.map { probe in
      "{\"from\":\(ScenarioSchema.quoted(probe.from)),\"to\":\(ScenarioSchema.quoted(probe.to)),"
        + "\"port\":\(probe.port),\"proto\":\"\(probe.ipProtocol)\","
        + "\"result\":\"\(probe.result.rawValue)\"}"
    }
    return "{\"probes\":[" + parts.joined(separator: ",") + "]}"
  }

  /// The report with a line for each flow.
  public var text: String {
    probes.map { probe in
      "\(probe.from) > \(probe.to):\(probe.port)/\(probe.ipProtocol)  \(probe.result.rawValue)\n"
    }.joined()
  }
}

extension Network {
  /// The most flows that are tried.
  private static let probeLimit = 5_000

  /// Tries what is published from the machine `client`, and every service name from every
  /// container and pod.
  public func probe() -> ProbeReport {
    var report = ProbeReport()
    let client = endpoint("client")
    var targets: [ProbeTarget] = []
    for part in parts {
      let found = part.probeTargets(outside: client, limit: Self.probeLimit - targets.count)
      targets += found.first
      report.untried += found.count - found.first.count
    }
    for target in targets where target.ipProtocol == .tcp || target.ipProtocol == .udp {
      let kind = target.ipProtocol == .udp ? "udp" : "tcp"
      let result = quickFlow(
        from: target.from,
        to: target.host,
        port: target.port,
        ipProtocol: kind
      )
      report.probes.append(
        ProbeReport.Probe(
          from: target.from.name,
          to: target.host,
          port: target.port,
          ipProtocol: kind,
          result: result
        )
      )
    }
    return report
  }
}
