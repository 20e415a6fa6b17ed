import ArgumentParser
import Foundation
import Hopyard

/// Runs a compose file by itself for `hopyard run`: one Docker host and a client on a LAN.
struct ComposeFileRun {
  var seed: UInt64 = 1
  var pcap: String?
  var pcapng: String?
  var json = false
  var probes = true

  /// Brings the project up and tries its ports and names; exits with 1 or 2 where it does not come
  /// up.
  func run(_ source: ShellSource) throws {
    var sinks: [any CaptureSink] = []
    if let pcap { sinks.append(PcapDirectoryTap(directory: pcap)) }
    if let pcapng { sinks.append(PcapngTap(file: pcapng)) }
    let captures = CaptureFanout(sinks)
    let report: ComposeReport
    do {
      let project = try Self.project(source)
      var options = ComposeRun.Options()
      options.seed = seed
      options.probes = probes
      let run = try ComposeRun(project, options: options)
      if !sinks.isEmpty { run.simulation.tap = captures }
      report = run.run()
      run.simulation.tap = nil
    } catch let problem as Problem {
      Standard.error("\(problem)\n")
      throw ExitCode(2)
    } catch let error as DockerError {
      Standard.error("\(source.name): \(error)\n")
      throw ExitCode(2)
    }
    captures.finish()
    if let failure = captures.failure {
      Standard.error("\(failure)\n")
      throw ExitCode(2)
    }
    if json {
      for assumption in report.assumptions { Standard.error("assumed: \(assumption)\n") }
      if let failure = report.failure { Standard.error("\(failure)\n") }
      Standard.output(report.json)
    } else {
      Standard.output(report.text)
    }
    Standard.flush()
    if report.failure != nil { throw ExitCode(1) }
  }

  /// The project of a compose file; its directory is the file's.
  static func project(_ source: ShellSource) throws(Problem) -> ComposeProject {
    let loader = ComposeLoader { path in try? ScenarioFiles.read(path) }
    return try loader.load(
      text: String(decoding: source.bytes, as: UTF8.self),
      file: source.name,
      directory: directory(of: source.name)
    )
  }

  static func directory(of path: String) -> String {
    // In the current directory, whose name is then the project's.
    guard let slash = path.lastIndex(of: "/") else {
      return FileManager.default.currentDirectoryPath
    }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
