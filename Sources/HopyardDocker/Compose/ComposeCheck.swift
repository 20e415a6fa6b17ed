import HopyardContainers
import HopyardUserland

/// What must hold between the parts of a compose file; services of profiles that are not active may
/// name what is not there.
struct ComposeCheck {
  let project: ComposeProject
  let places: [String: YAMLNode]
  /// The names under `volumes`, `configs`, `secrets` and `models`.
  let resources: [String: Set<String>]

  func check(_ services: YAMLNode) throws(Problem) {
    let inactive = Set(project.inactiveServices.map(\.name))
    for service in project.services {
      guard let place = places[service.name] else { continue }
      for endpoint in service.networks
      where endpoint.network != "default" && project.network(endpoint.network) == nil {
        throw place.problem(
          "service \"\(service.name)\" refers to undefined network \(endpoint.network)"
        )
      }
      for dependency in service.dependencies where dependency.isRequired {
        let isThere =
          project.service(dependency.service) != nil
          || project.services.contains { $0.containerName == dependency.service }
        if isThere { continue }
        let reason =
          inactive.contains(dependency.service)
          ? "depends on \"\(dependency.service)\", which is in a profile that is not active"
          : "depends on undefined service \"\(dependency.service)\""
        throw place.problem("service \"\(service.name)\" \(reason)")
      }
      if let node = services[service.name] { try checkResources(of: service, node) }
    }
    for service in project.services {
      try follow(service.name, [], places[service.name])
    }
  }

  // MARK: Volumes and their like

  private func checkResources(of service: ComposeService, _ node: YAMLNode) throws(Problem) {
    for item in node["volumes"]?.items ?? [] {
      guard let name = volume(item) else { continue }
      try require(name, "volumes", "volume", service, item)
    }
    for (key, kind) in [("configs", "config"), ("secrets", "secret")] {
      for item in node[key]?.items ?? [] {
        guard let name = item.text ?? item["source"]?.text else { continue }
        try require(name, key, kind, service, item)
      }
    }
    let models = node["models"]
    let names = models?.items?.compactMap(\.text) ?? models?.entries?.compactMap(\.key.text) ?? []
    for name in names { try require(name, "models", "model", service, models ?? node) }
  }

  private func require(
    _ name: String,
    _ key: String,
    _ kind: String,
    _ service: ComposeService,
    _ place: YAMLNode
  ) throws(Problem) {
    if resources[key]?.contains(name) == true { return }
    throw place.problem("service \"\(service.name)\" refers to undefined \(kind) \(name)")
  }

  /// The named volume of a mount; nil for a path of the host or a nameless volume.
  private func volume(_ item: YAMLNode) -> String? {
    if item.entries != nil {
      guard item["type"]?.text ?? "volume" == "volume" else { return nil }
      return item["source"]?.text.flatMap { $0.isEmpty ? nil : $0 }
    }
    guard let text = item.text, let colon = text.firstIndex(of: ":") else { return nil }
    let source = text[..<colon]
    guard let first = source.first, !"./~\\".contains(first), !source.contains("/"),
      !source.contains("\\")
    else { return nil }
    // A drive of Windows: `C:\\data`.
    let next = text[text.index(after: colon)...].first
    if source.count == 1, next == "\\" { return nil }
    return String(source)
  }

  // MARK: Order

  private func follow(_ name: String, _ path: [String], _ place: YAMLNode?) throws(Problem) {
    if path.contains(name) {
      let circle = (path + [name]).joined(separator: " -> ")
      guard let place else { return }
      throw place.problem("dependency cycle detected: \(circle)")
    }
    guard let service = project.service(name), path.count < 200 else { return }
    for dependency in service.dependencies {
      try follow(dependency.service, path + [name], place)
    }
  }
}
