import HopyardContainers
import HopyardUserland

/// One reading of compose files.
struct ComposeReader {
  let loader: ComposeLoader
  let directory: String
  let variables: [String: String]
  var interpolation: ComposeInterpolation
  private var depth = 0

  init(_ loader: ComposeLoader, directory: String, variables: [String: String]) {
    self.loader = loader
    self.directory = directory
    self.variables = variables
    interpolation = ComposeInterpolation(variables)
  }

  // MARK: Files

  /// A file's tree: variables replaced, other files included, services extended.
  ///
  /// Its paths start from a folder.
  mutating func document(_ text: String, _ path: String, _ folder: String) throws(Problem)
    -> YAMLNode
  {
    var whole: YAMLNode?
    // Further documents of a file override those before them.
    for part in try YAMLDocuments.parse(text, file: path) {
      let other = try document(part, path, folder)
      whole = whole.map { ComposeMerge.merge($0, other) } ?? other
    }
    guard let whole else { throw ComposeLoader.problem(path, "empty compose file") }
    return whole
  }

  mutating func document(_ raw: YAMLNode, _ path: String, _ folder: String) throws(Problem)
    -> YAMLNode
  {
    guard raw.entries != nil else {
      throw raw.problem("the file holds \(raw.kindText), expected a mapping with `services'")
    }
    var node = try interpolation.node(raw)
    let fields = try node.fields("the compose file")
    try fields.refuseUnknown(ComposeKeys.top, prefixes: ["x-"])
    node = ComposePaths.resolved(node, in: folder)
    for item in try fields["include"]?.sequence("include") ?? [] {
      node = ComposeMerge.merge(try included(item, path, folder), node)
    }
    return try extended(node, path, folder)
  }

  private mutating func nested(_ path: String, _ place: YAMLNode, folder: String? = nil)
    throws(Problem) -> YAMLNode
  {
    guard depth < 10 else { throw place.problem("files name each other in a circle") }
    guard let text = loader.read(path) else { throw place.problem("\(path) not found") }
    depth += 1
    defer { depth -= 1 }
    return try document(text, path, folder ?? ComposeLoader.directory(of: path))
  }

  /// What an item of `include` brings: a project of its own, with its own folder and variables.
  private mutating func included(_ item: YAMLNode, _ path: String, _ folder: String)
    throws(Problem) -> YAMLNode
  {
    var paths: [String] = []
    var inner: String?
    var files: [String]?
    if item.text != nil {
      paths = [try item.string("include")]
    } else {
      let fields = try item.fields("include")
      try fields.refuseUnknown(ComposeKeys.include)
      paths = try fields.required("path").stringOrStrings("path")
      inner = try fields["project_directory"].map { node throws(Problem) in
        ComposeLoader.join(folder, try node.string("project_directory"))
      }
      files = try fields["env_file"]?.stringOrStrings("env_file").filter { $0 != "/dev/null" }.map {
        ComposeLoader.join(folder, $0)
      }
    }
    for name in paths where name.contains("://") || name.hasPrefix("git@") {
      throw item.problem("include of `\(name)': remote files are not modelled")
    }
    let first = paths.first.map { ComposeLoader.directory(of: ComposeLoader.join(folder, $0)) }
    let home = inner ?? first ?? folder
    let outer = interpolation
    defer {
      let missing = interpolation.missing
      interpolation = outer
      interpolation.note(missing)
    }
    interpolation = ComposeInterpolation(try variables(of: home, files, item))
    var whole: YAMLNode?
    for name in paths {
      let other = try nested(ComposeLoader.join(folder, name), item, folder: home)
      whole = whole.map { ComposeMerge.merge($0, other) } ?? other
    }
    return whole ?? item
  }

  /// The variables of an included project: the outer ones, and those of its own files.
  private func variables(of home: String, _ files: [String]?, _ place: YAMLNode) throws(Problem)
    -> [String: String]
  {
    var variables = interpolation.variables
    for file in files ?? [ComposeLoader.join(home, ".env")] {
      guard let text = loader.read(file) else {
        if files == nil { continue }
        throw place.problem("env file \(file) not found")
      }
      variables = try ComposeLoader.variables(variables, addedBy: text, file)
    }
    return variables
  }

  private mutating func extended(_ node: YAMLNode, _ path: String, _ folder: String)
    throws(Problem) -> YAMLNode
  {
    guard let services = node["services"], let entries = services.entries else { return node }
    var result: [YAMLNode.Entry] = []
    for entry in entries {
      let name = entry.key.text ?? ""
      let value = try extended(name, entry.value, services, path, folder, [])
      result.append(YAMLNode.Entry(key: entry.key, value: value))
    }
    var whole = node
    var inner = services
    inner.content = .mapping(result)
    if case .mapping(var outer) = whole.content,
      let index = outer.firstIndex(where: { $0.key.text == "services" })
    {
      outer[index].value = inner
      whole.content = .mapping(outer)
    }
    return whole
  }

  private mutating func extended(
    _ name: String,
    _ node: YAMLNode,
    _ services: YAMLNode,
    _ path: String,
    _ folder: String,
    _ seen: [String]
  ) throws(Problem) -> YAMLNode {
    guard let extends = node["extends"] else { return node }
    if seen.contains(name) { throw extends.problem("services extend each other in a circle") }
    var other = extends.text ?? ""
    let base: YAMLNode
    if extends.text == nil {
      let fields = try extends.fields("extends")
      try fields.refuseUnknown(ComposeKeys.extends)
      other = try fields.required("service").string("service")
      if let file = fields["file"] {
        let text = try file.string("file")
        if text.contains("://") {
          throw file.problem("extends of `\(text)': remote files are not modelled")
        }
        let place = ComposeLoader.join(folder, text)
        guard let found = try nested(place, file)["services"]?[other] else {
          throw extends.problem("cannot extend service \"\(other)\" in \(place): service not found")
        }
        base = found
      } else {
        base = try local(other, services, extends, path, folder, seen + [name])
      }
    } else {
      base = try local(other, services, extends, path, folder, seen + [name])
    }
    var own = node
    if case .mapping(let entries) = own.content {
      own.content = .mapping(entries.filter { $0.key.text != "extends" })
    }
    return ComposeMerge.merge(base, own)
  }

  private mutating func local(
    _ other: String,
    _ services: YAMLNode,
    _ extends: YAMLNode,
    _ path: String,
    _ folder: String,
    _ seen: [String]
  ) throws(Problem) -> YAMLNode {
    guard let found = services[other] else {
      throw extends.problem("cannot extend service \"\(other)\" in \(path): service not found")
    }
    return try extended(other, found, services, path, folder, seen)
  }

  // MARK: The project

  mutating func project(_ node: YAMLNode) throws(Problem) -> ComposeProject {
    let fields = try node.fields("the compose file")
    var project = ComposeProject(name: try name(fields))
    var resources: [String: Set<String>] = [:]
    for key in ["volumes", "configs", "secrets", "models"] {
      resources[key] = try checkResources(fields, key)
    }
    var active = loader.profiles
    if active.isEmpty, let text = variables["COMPOSE_PROFILES"] {
      active = text.split(separator: ",").map { String($0).trimmed }
    }
    guard let services = fields["services"], services.entries?.isEmpty == false else {
      throw node.problem("no service: the file lacks `services'")
    }
    var places: [String: YAMLNode] = [:]
    for field in try services.fields("services").entries {
      guard
        field.name.allSatisfy({
          $0.isASCII && ($0.isLetter || $0.isNumber) || "._-".contains($0)
        })
      else {
        throw field.key.problem(
          "service name `\(field.name)' has a character that names may not have"
        )
      }
      let profiles = try field.value["profiles"]?.strings("profiles") ?? []
      let isActive =
        profiles.isEmpty || active.contains("*") || profiles.contains { active.contains($0) }
      let service = try ComposeService(
        field.name,
        field.value,
        environment: isActive ? try environmentFiles(field.value) : []
      )
      places[field.name] = field.key
      if isActive {
        project.services.append(service)
      } else {
        project.inactiveServices.append(service)
      }
    }
    try readNetworks(fields["networks"], &project)
    try ComposeCheck(project: project, places: places, resources: resources).check(services)
    useDefaultNetwork(&project)
    for name in interpolation.missing {
      project.warnings.append(
        "The \"\(name)\" variable is not set. Defaulting to a blank string."
      )
    }
    if let version = fields.entries.first(where: { $0.name == "version" }) {
      project.warnings.append(
        "\(version.key.file): the attribute `version` is obsolete, it will be ignored, please "
          + "remove it to avoid potential confusion"
      )
    }
    return project
  }

  private func name(_ fields: YAMLFields) throws(Problem) -> String {
    if let name = loader.projectName ?? variables["COMPOSE_PROJECT_NAME"] {
      return ComposeLoader.normalizedProjectName(name)
    }
    if let node = fields["name"] {
      let name = try node.string("name")
      guard name == ComposeLoader.normalizedProjectName(name), !name.isEmpty else {
        throw node.problem(
          "invalid project name \"\(name)\": must consist only of lowercase alphanumeric "
            + "characters, hyphens, and underscores as well as start with a letter or number"
        )
      }
      return name
    }
    let last = directory.split(separator: "/").last { $0 != "." }
    let name = ComposeLoader.normalizedProjectName(last.map(String.init) ?? "")
    return name.isEmpty ? "project" : name
  }

  /// Checks the entries of `volumes` and its like, and gives their names.
  private func checkResources(_ fields: YAMLFields, _ key: String) throws(Problem) -> Set<String> {
    guard let node = fields[key] else { return [] }
    let known =
      key == "volumes" ? ComposeKeys.volume : key == "models" ? ComposeKeys.model : ComposeKeys.file
    var names: Set<String> = []
    for field in try node.fields(key).entries {
      names.insert(field.name)
      if field.value.isNull { continue }
      let inner = try field.value.fields("`\(field.name)' of \(key)")
      try inner.refuseUnknown(known, prefixes: ["x-"])
    }
    return names
  }

  private func environmentFiles(_ node: YAMLNode) throws(Problem) -> [(name: String, value: String)]
  {
    guard let files = node["env_file"] else { return [] }
    var items: [YAMLNode] = files.items ?? [files]
    if files.entries != nil { items = [files] }
    var variables: [(name: String, value: String)] = []
    for item in items {
      var isRequired = true
      let path: String
      if item.entries != nil {
        let fields = try item.fields("env_file")
        try fields.refuseUnknown(ComposeKeys.environmentFile)
        path = try fields.required("path").string("path")
        if let required = fields["required"] { isRequired = try required.bool("required") }
      } else {
        path = try item.string("env_file")
      }
      guard let text = loader.read(path) else {
        if isRequired, loader.needsEnvironmentFiles {
          throw item.problem("env file \(path) not found")
        }
        continue
      }
      for (name, value) in try EnvironmentFile.parse(text, file: path, outer: self.variables) {
        variables.removeAll { $0.name == name }
        variables.append((name, value))
      }
    }
    return variables
  }

  // MARK: Networks

  private func readNetworks(_ node: YAMLNode?, _ project: inout ComposeProject) throws(Problem) {
    guard let node else { return }
    for field in try node.fields("networks").entries {
      project.networks.append(try ComposeNetwork(field, project: project.name))
    }
  }

  /// Adds the network that services are on when they name none.
  private func useDefaultNetwork(_ project: inout ComposeProject) {
    let isUsed = project.services.contains { service in
      service.networks.contains { $0.network == "default" }
    }
    guard isUsed, project.network("default") == nil else { return }
    project.networks.append(
      ComposeNetwork(
        key: "default",
        specification: NetworkSpecification(name: project.name + "_default")
      )
    )
  }
}
