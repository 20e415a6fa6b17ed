public import HopyardContainers
public import HopyardUserland

/// Reads compose files as `docker compose` reads them.
///
///     let loader = ComposeLoader { path in try? String(contentsOfFile: path, encoding: .utf8) }
///     let project = try loader.load(["shop/compose.yaml"])
public struct ComposeLoader {
  /// Gives the text of a file; nil when there is none.
  public let read: (String) -> String?
  /// The environment, which comes before `.env`.
  public var environment: [String: String] = [:]
  /// `--profile`, `COMPOSE_PROFILES`.
  public var profiles: [String] = []
  /// `--project-name`.
  public var projectName: String?
  /// Whether files named by `env_file` must be there.
  public var needsEnvironmentFiles = true

  /// Makes a loader that reads through a closure.
  public init(read: @escaping (String) -> String?) { self.read = read }

  static let fileNames = [
    "compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml",
  ]

  /// The files that are read where none is named: the first of the usual names, and its override.
  public func defaultFiles(in directory: String) -> [String] {
    for name in Self.fileNames {
      let path = Self.join(directory, name)
      guard read(path) != nil else { continue }
      let parts = name.split(separator: ".")
      for end in ["yaml", "yml"] {
        let override = Self.join(directory, "\(parts[0]).override.\(end)")
        if read(override) != nil { return [path, override] }
      }
      return [path]
    }
    return []
  }

  /// Reads files, each of which overrides those before it.
  public func load(_ paths: [String]) throws(Problem) -> ComposeProject {
    guard let first = paths.first else {
      throw Self.problem("compose.yaml", "no configuration file provided: not found")
    }
    var texts: [(path: String, text: String)] = []
    for path in paths {
      guard let text = read(path) else {
        throw Self.problem(path, "no such file or directory")
      }
      texts.append((path, text))
    }
    return try load(texts: texts, directory: Self.directory(of: first))
  }

  /// Reads the text of one file that is in a directory.
  public func load(text: String, file: String, directory: String = ".") throws(Problem)
    -> ComposeProject
  {
    try load(texts: [(file, text)], directory: directory)
  }

  /// Reads a compose file that stands within another file, at its place there.
  public func load(node: YAMLNode, directory: String = ".") throws(Problem) -> ComposeProject {
    var reader = ComposeReader(self, directory: directory, variables: try variables(directory))
    return try reader.project(try reader.document(node, node.file))
  }

  /// The environment, and what `.env` adds to it.
  private func variables(_ directory: String) throws(Problem) -> [String: String] {
    var variables = environment
    let path = Self.join(directory, ".env")
    if let text = read(path) {
      for (name, value) in try EnvironmentFile.parse(text, file: path, outer: environment)
      where variables[name] == nil {
        variables[name] = value
      }
    }
    return variables
  }

  private func load(texts: [(path: String, text: String)], directory: String) throws(Problem)
    -> ComposeProject
  {
    var reader = ComposeReader(self, directory: directory, variables: try variables(directory))
    var whole: YAMLNode?
    for (path, text) in texts {
      let document = try reader.document(text, path)
      whole = whole.map { ComposeMerge.merge($0, document) } ?? document
    }
    guard let whole else { throw Self.problem("compose.yaml", "empty compose file") }
    return try reader.project(whole)
  }

  static func problem(_ file: String, _ message: String) -> Problem {
    Problem(file: file, location: SourceLocation(line: 1, column: 1), message: message)
  }

  static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  static func join(_ directory: String, _ name: String) -> String {
    if name.hasPrefix("/") { return name }
    var plain = name
    while plain.hasPrefix("./") { plain = String(plain.dropFirst(2)) }
    return directory == "." || directory.isEmpty ? plain : directory + "/" + plain
  }

  /// A name as projects may have: small letters, digits, hyphens and underscores.
  public static func normalizedProjectName(_ text: String) -> String {
    let kept = text.lowercased().filter {
      $0.isASCII && ($0.isLetter || $0.isNumber) || $0 == "-" || $0 == "_"
    }
    return String(kept.drop { $0 == "-" || $0 == "_" })
  }
}

/// One reading of compose files.
private struct ComposeReader {
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
  mutating func document(_ text: String, _ path: String) throws(Problem) -> YAMLNode {
    try document(try YAMLDocuments.parseOne(text, file: path), path)
  }

  mutating func document(_ raw: YAMLNode, _ path: String) throws(Problem) -> YAMLNode {
    guard raw.entries != nil else {
      throw raw.problem("the file holds \(raw.kindText), expected a mapping with `services'")
    }
    let node = try interpolation.node(raw)
    let fields = try node.fields("the compose file")
    try fields.refuseUnknown(ComposeKeys.top, prefixes: ["x-"])
    var result = try extended(node, path)
    for item in try fields["include"]?.sequence("include") ?? [] {
      result = ComposeMerge.merge(try included(item, path), result)
    }
    return result
  }

  private mutating func nested(_ path: String, _ place: YAMLNode) throws(Problem) -> YAMLNode {
    guard depth < 10 else { throw place.problem("files name each other in a circle") }
    guard let text = loader.read(path) else { throw place.problem("\(path) not found") }
    depth += 1
    defer { depth -= 1 }
    return try document(text, path)
  }

  private mutating func included(_ item: YAMLNode, _ path: String) throws(Problem) -> YAMLNode {
    var paths: [String] = []
    if item.text != nil {
      paths = [try item.string("include")]
    } else {
      let fields = try item.fields("include")
      try fields.refuseUnknown(ComposeKeys.include)
      paths = try fields.required("path").stringOrStrings("path")
    }
    var whole: YAMLNode?
    for name in paths {
      if name.contains("://") {
        throw item.problem("include of `\(name)': remote files are not modelled")
      }
      let other = try nested(ComposeLoader.join(ComposeLoader.directory(of: path), name), item)
      whole = whole.map { ComposeMerge.merge($0, other) } ?? other
    }
    return whole ?? item
  }

  private mutating func extended(_ node: YAMLNode, _ path: String) throws(Problem) -> YAMLNode {
    guard let services = node["services"], let entries = services.entries else { return node }
    var result: [YAMLNode.Entry] = []
    for entry in entries {
      let name = entry.key.text ?? ""
      let value = try extended(name, entry.value, services, path, [])
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
    _ seen: [String]
  ) throws(Problem) -> YAMLNode {
    guard let extends = node["extends"] else { return node }
    if seen.contains(name) { throw extends.problem("services extend each other in a circle") }
    var other = extends.text ?? ""
    var base: YAMLNode
    if extends.text == nil {
      let fields = try extends.fields("extends")
      try fields.refuseUnknown(ComposeKeys.extends)
      other = try fields.required("service").string("service")
      if let file = fields["file"] {
        let text = try file.string("file")
        if text.contains("://") {
          throw file.problem("extends of `\(text)': remote files are not modelled")
        }
        let place = ComposeLoader.join(ComposeLoader.directory(of: path), text)
        guard let found = try nested(place, file)["services"]?[other] else {
          throw extends.problem("cannot extend service \"\(other)\" in \(place): service not found")
        }
        base = found
      } else {
        base = try local(other, services, extends, path, seen + [name])
      }
    } else {
      base = try local(other, services, extends, path, seen + [name])
    }
    if case .mapping(let entries) = base.content {
      base.content = .mapping(entries.filter { $0.key.text != "depends_on" })
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
    _ seen: [String]
  ) throws(Problem) -> YAMLNode {
    guard let found = services[other] else {
      throw extends.problem("cannot extend service \"\(other)\" in \(path): service not found")
    }
    return try extended(other, found, services, path, seen)
  }

  // MARK: The project

  mutating func project(_ node: YAMLNode) throws(Problem) -> ComposeProject {
    let fields = try node.fields("the compose file")
    var project = ComposeProject(name: try name(fields))
    for key in ["volumes", "configs", "secrets"] { try checkFiles(fields, key) }
    var active = loader.profiles
    if active.isEmpty, let text = variables["COMPOSE_PROFILES"] {
      active = text.split(separator: ",").map { String($0).trimmed }
    }
    guard let services = fields["services"] else {
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
      let service = try ComposeService(
        field.name,
        field.value,
        environment: try environmentFiles(field.value)
      )
      places[field.name] = field.key
      let isActive =
        service.profiles.isEmpty || active.contains("*")
        || service.profiles.contains { active.contains($0) }
      if isActive {
        project.services.append(service)
      } else {
        project.inactiveServices.append(service)
      }
    }
    try readNetworks(fields["networks"], &project)
    try ComposeCheck(project: project, places: places).check()
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

  private func checkFiles(_ fields: YAMLFields, _ key: String) throws(Problem) {
    let known = key == "volumes" ? ComposeKeys.volume : ComposeKeys.file
    guard let node = fields[key] else { return }
    for field in try node.fields(key).entries where !field.value.isNull {
      try field.value.fields("`\(field.name)' of \(key)").refuseUnknown(known, prefixes: ["x-"])
    }
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
      let place = ComposeLoader.join(directory, path)
      guard let text = loader.read(place) else {
        if isRequired, loader.needsEnvironmentFiles {
          throw item.problem("env file \(place) not found")
        }
        continue
      }
      for (name, value) in try EnvironmentFile.parse(text, file: place, outer: self.variables) {
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
