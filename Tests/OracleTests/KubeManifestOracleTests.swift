import Foundation
import Hopyard
import LabSupport
import Testing

/// Manifests of real projects: they load, every Service has its endpoints, and every pod reaches
/// every Service by name.
@Suite(.oracle("manifests"))
struct KubeManifestOracleTests {
  /// The folders under a path that hold Kubernetes manifests, with their files.
  private func folders(_ path: String) -> [String: [String]] {
    var found: [String: [String]] = [:]
    let base = Oracles.url(path)
    let walk = FileManager.default.enumerator(at: base, includingPropertiesForKeys: nil)
    while let url = walk?.nextObject() as? URL {
      guard ["yaml", "yml"].contains(url.pathExtension),
        let text = try? String(contentsOf: url, encoding: .utf8),
        text.contains("apiVersion:"), text.contains("kind:"), !text.contains("{{"),
        !text.contains("kind: Kustomization")
      else { continue }
      let folder = url.deletingLastPathComponent().path
      found[folder, default: []].append(url.path)
    }
    return found
  }

  @Test func projects() throws {
    var tally = OracleTally("manifests/kubernetes")
    for project in try Oracles.names(in: "manifests") {
      for (folder, files) in folders("manifests/\(project)").sorted(by: { $0.key < $1.key }) {
        let name = folder.split(separator: "/").suffix(2).joined(separator: "/")
        let kustomization = folder + "/kustomization.yaml"
        if let text = try? String(contentsOfFile: kustomization, encoding: .utf8),
          text.contains("patches:")
        {
          // Patches are no objects; kustomize makes objects of them.
          tally.note(name, .skip("kustomize overlay"))
          continue
        }
        tally.check(name) { try run(files.sorted()) }
      }
    }
    tally.finish()
  }

  private func run(_ files: [String]) throws -> String? {
    let simulation = Simulation(seed: 3)
    let bench = try ClusterLAN(simulation: simulation, commands: CommandTable.labCommands())
    let cluster = bench.cluster
    var objects: [KubeObject] = []
    for file in files {
      objects += try Manifests.read(String(contentsOfFile: file, encoding: .utf8), file: file)
    }
    // Namespaces first: the order of files is nobody's promise.
    for object in objects.sorted(by: { ($0.kind == "Namespace") && ($1.kind != "Namespace") }) {
      try cluster.apply(object)
    }
    guard cluster.runUntilReady(limit: .seconds(120)) else {
      return "not ready: \(cluster.waiting.map(\.name))"
    }
    let services = objects.filter { $0.service != nil && $0.service?.type != "ExternalName" }
    for service in services {
      let slices = cluster.api.list("EndpointSlice", namespace: service.meta.namespace)
        .compactMap(\.slice).filter { $0.service == service.meta.name }
      let wanted = cluster.api.list("Pod", namespace: service.meta.namespace).filter { pod in
        service.service?.selector.map { LabelSelector($0).matches(pod.meta.labels) } ?? false
      }
      let count = slices.flatMap(\.endpoints).count
      if service.service?.selector != nil, count != wanted.count {
        return "\(service.meta.name): \(count) endpoints for \(wanted.count) pods"
      }
    }
    for pod in cluster.pods where pod.namespace != "kube-system" {
      for service in services where service.meta.namespace == pod.namespace {
        for port in service.service?.ports ?? [] where port.ipProtocol == .tcp {
          if let wrong = reach(pod, service.meta.name, port.port, simulation) {
            return "\(pod.name) to \(service.meta.name):\(port.port): \(wrong)"
          }
        }
      }
    }
    return nil
  }

  private func reach(
    _ pod: Cluster.PodPlace,
    _ name: String,
    _ port: UInt16,
    _ simulation: Simulation
  ) -> String? {
    let process = pod.sandbox.makeProcess("probe")
    let program = Program(
      in: process.namespace,
      name: "probe",
      pid: Int(process.pid),
      files: { try? process.contents(of: $0) }
    )
    var result: String?
    simulation.spawn {
      do {
        let found = try await Resolver(program).lookup(name, .v4).addresses
        guard let address = found.compactMap(\.v4).first else {
          result = "no address"
          return
        }
        let stream = try await TCPStream.connect(
          program,
          to: address,
          port: port,
          timeout: .seconds(3)
        )
        stream.close()
        result = ""
      } catch {
        result = "\(error)"
      }
    }
    for _ in 0..<1500 where result == nil {
      _ = simulation.run(until: simulation.now + .milliseconds(10))
    }
    return result == "" ? nil : result ?? "no end"
  }
}
