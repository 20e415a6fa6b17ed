import Foundation
import Hopyard
import LabSupport
import Testing

/// Compose files of real projects: each loads and comes up, or is refused for a reason that is true.
@Suite struct ComposeOracleTests {
  /// Files that are meant to be wrong, and what must be said of them.
  private static let wrong = ["wrong-composefile/compose.yaml": "wrongField"]

  @Test(.oracle("manifests")) func composeFiles() throws {
    for project in try Oracles.names(in: "manifests").sorted() {
      let files = composeFiles(in: "manifests/" + project)
      guard !files.isEmpty else { continue }
      var tally = OracleTally("manifests/\(project)/compose")
      for file in files {
        tally.check(String(file.dropFirst("manifests/\(project)/".count))) { try check(file) }
      }
      tally.finish()
    }
  }

  /// The files that hold services.
  private func composeFiles(in folder: String) -> [String] {
    let root = Oracles.url(folder)
    guard let walk = FileManager.default.enumerator(atPath: root.path) else { return [] }
    var files: [String] = []
    for case let path as String in walk where path.hasSuffix(".yaml") || path.hasSuffix(".yml") {
      if path.contains("expected-") || path.contains(".github") || path.contains("k8s") { continue }
      guard let text = try? Oracles.text("\(folder)/\(path)"),
        text.split(separator: "\n").contains(where: { $0.hasPrefix("services:") })
      else { continue }
      files.append("\(folder)/\(path)")
    }
    return files.sorted()
  }

  private func check(_ file: String) throws -> String? {
    let path = Oracles.url(file).path
    let loader = ComposeLoader { try? String(contentsOfFile: $0, encoding: .utf8) }
    let wanted = Self.wrong.first { file.hasSuffix($0.key) }?.value
    let project: ComposeProject
    do {
      project = try loader.load([path])
    } catch {
      if let wanted { return "\(error)".contains(wanted) ? nil : "refused: \(error)" }
      if isTrueRefusal("\(error)") { return nil }
      return "refused: \(error)"
    }
    if wanted != nil { return "loaded, though it is meant to be wrong" }
    return try bringUp(project)
  }

  /// Refusals that dockerd or compose would give too.
  private func isTrueRefusal(_ text: String) -> Bool {
    text.contains("neither an image nor a build context") || text.contains("is missing a value")
      || text.contains("remote files are not modelled") || text.contains("undefined service")
      || text.contains("not found") || text.contains("is in a profile that is not active")
      || text.contains("is not modelled")
  }

  private func bringUp(_ project: ComposeProject) throws -> String? {
    let run = try ComposeRun(project)
    let report = run.run()
    if let failure = report.failure {
      // These exit on purpose, or stand on what another file makes.
      let isMeant =
        failure.contains("declared as external") || failure.contains("exit 111")
        || failure.contains("didn't complete successfully")
        // Several containers cannot have one port of the host, as in files for swarms.
        || failure.contains("port is already allocated")
          && project.services.contains { service in
            service.replicas > 1 && service.container.ports.contains { $0.hostPort != 0 }
          }
      return isMeant ? nil : "not up: \(failure)"
    }
    for probe in report.probes where probe.from == "client" && probe.result != .reply {
      if run.publishedOnLoopback(probe.port) { continue }
      return "\(probe.to):\(probe.port) from the client: \(probe.result.rawValue)"
    }
    for probe in report.probes where probe.from != "client" {
      // What has ended since was there or not, as it happened.
      guard let expected = run.sharesNetwork(probe.from, probe.to) else { continue }
      if expected, probe.result != .reply {
        return "\(probe.to):\(probe.port) from \(probe.from): \(probe.result.rawValue)"
      }
      if !expected, probe.result != .nxdomain {
        return "\(probe.to) resolves from \(probe.from), which is on no network with it"
      }
    }
    return nil
  }
}

extension ComposeRun {
  /// Whether a host port is published on a loopback address only.
  func publishedOnLoopback(_ port: Int) -> Bool {
    let bindings = engine.containers.flatMap(\.bindings).filter {
      $0.hostPort.map(Int.init) == port
    }
    return bindings.allSatisfy { $0.hostAddress.isLoopback || $0.hostAddress.v4 == nil }
  }

  /// Whether a container can be expected to find a service by its name.
  func sharesNetwork(_ from: String, _ service: String) -> Bool? {
    let name = String(from.dropFirst("docker/".count))
    guard var source = engine.container(name) else { return false }
    while case .container(let other) = source.specification.networkMode,
      let next = engine.container(other)
    {
      source = next
    }
    let targets = engine.containers.filter { ComposeRunner.service(of: $0) == service }
    guard targets.contains(where: \.isRunning) else { return nil }
    return targets.contains { target in
      target.endpoints.contains { endpoint in
        source.endpoints.contains { $0.network === endpoint.network }
      }
    }
  }
}
