import ArgumentParser
import Hopyard

/// Runs manifests by themselves for `hopyard run`: a cluster of two nodes and a client on a LAN.
struct ManifestsRun {
  var seed: UInt64 = 1
  var pcap: String?
  var pcapng: String?
  var json = false
  var probes = true

  /// Waits until all is ready, then tries what is published and every service name, unless that
  /// is not wanted.
  func run(_ path: String) throws {
    var sinks: [any CaptureSink] = []
    if let pcap { sinks.append(PcapDirectoryTap(directory: pcap)) }
    if let pcapng { sinks.append(PcapngTap(file: pcapng)) }
    let captures = CaptureFanout(sinks)
    do throws(Problem) {
      let text = ScenarioDraft.around(manifests: path)
      let network = try ScenarioDraft.network(
        text,
        for: path,
        seed: seed,
        captures: sinks.isEmpty ? nil : captures
      )
      defer { network.close() }
      for assumption in network.assumptions { Standard.error("assumed: \(assumption)\n") }
      for complaint in network.complaints { Standard.error("\(path): \(complaint)\n") }
      if probes {
        let report = network.probe()
        Standard.output(json ? report.json + "\n" : report.text)
        if report.untried > 0 {
          let tried = report.probes.count
          Standard.error(
            "\(path): tried the first \(tried) flows; \(report.untried) more were left out\n"
          )
        }
      }
      network.simulation.tap = nil
    } catch {
      Standard.error("\(error)\n")
      throw ExitCode(2)
    }
    captures.finish()
    Standard.flush()
    if let failure = captures.failure {
      Standard.error("\(failure)\n")
      throw ExitCode(2)
    }
  }
}
