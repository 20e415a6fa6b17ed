import ArgumentParser
import Hopyard

/// Runs a scenario for `hopyard run`.
struct ScenarioRun {
  var seed: UInt64?
  var limit: Int64?
  var iptables: IptablesVariant?
  var pcap: String?
  var pcapng: String?
  var explain = false
  var json = false
  var junit: String?
  var state: String?

  /// Runs a file to its end; exits with 1 or 2 where it does not pass.
  func run(_ source: ShellSource) throws {
    var sinks: [any CaptureSink] = []
    if let pcap { sinks.append(PcapDirectoryTap(directory: pcap)) }
    if let pcapng { sinks.append(PcapngTap(file: pcapng)) }
    let captures = CaptureFanout(sinks)
    let result: ScenarioResult
    do {
      var scenario = try Scenario(
        text: String(decoding: source.bytes, as: UTF8.self),
        file: source.name
      )
      if let seed { scenario.seed = seed }
      if let limit { scenario.limit = limit }
      if let iptables { scenario.iptables = iptables }
      let network = try Network(scenario, captures: sinks.isEmpty ? nil : captures)
      defer { network.close() }
      if explain {
        network.simulation.tracer = ExplanationText { Standard.output($0) }
      } else if json {
        network.simulation.tracer = ExplanationJSON { Standard.output($0) }
      }
      if !json { network.onOutput = { Standard.output($0) } }
      for assumption in network.assumptions { Standard.error("assumed: \(assumption)\n") }
      let watch = RunWatch(simulation: network.simulation, captures: captures)
      watch.start()
      result = try network.run()
      watch.end()
      network.simulation.tap = nil
      network.simulation.tracer = nil
      if let state { try ScenarioState.write(network, to: state) }
    } catch let problem as Problem {
      captures.finish()
      Standard.error("\(problem)\n")
      throw ExitCode(2)
    }
    captures.finish()
    if let failure = captures.failure {
      Standard.error("\(failure)\n")
      throw ExitCode(2)
    }
    if let junit { try OutputFile.write(JUnitReport.text([result]), to: junit) }
    Standard.flush()
    Standard.error(result.text)
    if GitHub.isRunning { Standard.output(result.annotations) }
    Standard.flush()
    if !result.passed { throw ExitCode(1) }
  }
}

/// Writes the final state of a scenario's namespaces.
enum ScenarioState {
  static func write(_ network: Network, to directory: String) throws {
    for machine in network.machines {
      let session = LabSession(
        source: ShellSource(name: "state", text: ""),
        userland: machine.userland
      )
      for namespace in machine.userland.machine.namespaces {
        let path = [machine.name, namespace.name].map { CapturePath.component($0) }
        try refusing { () throws(RecordError) in
          try RecordDirectory.writeState(
            session,
            namespace: namespace,
            to: directory + "/" + path.joined(separator: "/")
          )
        }
      }
      session.close()
    }
  }
}
