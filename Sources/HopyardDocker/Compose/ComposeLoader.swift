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
    return try reader.project(try reader.document(node, node.file, directory))
  }

  /// The environment, and what `.env` adds to it.
  private func variables(_ directory: String) throws(Problem) -> [String: String] {
    let path = Self.join(directory, ".env")
    guard let text = read(path) else { return environment }
    return try Self.variables(environment, addedBy: text, path)
  }

  /// Variables and those that a file adds to them.
  static func variables(_ outer: [String: String], addedBy text: String, _ path: String)
    throws(Problem) -> [String: String]
  {
    var variables = outer
    for (name, value) in try EnvironmentFile.parse(text, file: path, outer: outer)
    where outer[name] == nil {
      variables[name] = value
    }
    return variables
  }

  private func load(texts: [(path: String, text: String)], directory: String) throws(Problem)
    -> ComposeProject
  {
    var reader = ComposeReader(self, directory: directory, variables: try variables(directory))
    var whole: YAMLNode?
    for (path, text) in texts {
      let document = try reader.document(text, path, directory)
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
    if plain == "." || plain.isEmpty { return directory }
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
