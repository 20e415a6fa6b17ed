public import HopyardUserland
import Yams

/// Reads YAML text into nodes that know their places.
public enum YAMLDocuments {
  /// The most nodes that a file may stand for, aliases counted out.
  public static let nodeLimit = 1_000_000
  /// How deep nodes may stand in each other.
  static let depthLimit = 200

  /// The documents of a text, without the empty ones.
  ///
  /// Aliases may make it stand for `limit` nodes at most.
  public static func parse(_ text: String, file: String, limit: Int = nodeLimit) throws(Problem)
    -> [YAMLNode]
  {
    let start = SourceLocation(line: 1, column: 1)
    if let place = tooDeep(text) {
      throw Problem(
        file: file,
        location: place,
        message: "nesting deeper than \(depthLimit) levels is not supported"
      )
    }
    var documents: [YAMLNode] = []
    var converter = Converter(file: file, limit: limit)
    do {
      // What a plain scalar means is decided by who reads it, so nothing is resolved here.
      let parser = try Yams.Parser(yaml: text, resolver: .basic)
      while let root = try parser.nextRoot() {
        let node = try converter.convert(root, depth: 0)
        if !node.isNull { documents.append(node) }
      }
    } catch let problem as Problem {
      throw problem
    } catch let error as YamlError {
      throw Self.problem(error, file: file)
    } catch {
      throw Problem(file: file, location: start, message: "\(error)")
    }
    return documents
  }

  /// The one document of a text; an empty text is null.
  public static func parseOne(_ text: String, file: String) throws(Problem) -> YAMLNode {
    let all = try parse(text, file: file)
    if all.count > 1 { throw all[1].problem("a second document, expected one") }
    return all.first
      ?? YAMLNode(
        .scalar("", isPlain: true),
        file: file,
        location: SourceLocation(line: 1, column: 1)
      )
  }

  /// Where flow brackets are nested deeper than allowed, so that the composer need not recurse.
  private static func tooDeep(_ text: String) -> SourceLocation? {
    var depth = 0
    var line = 1
    var column = 0
    for byte in text.utf8 {
      column += 1
      switch byte {
      case 0x0A: (line, column) = (line + 1, 0)
      case 0x5B, 0x7B:
        depth += 1
        if depth > depthLimit * 4 { return SourceLocation(line: line, column: column) }
      case 0x5D, 0x7D: depth = max(0, depth - 1)
      default: break
      }
    }
    return nil
  }

  private static func problem(_ error: YamlError, file: String) -> Problem {
    func at(_ line: Int, _ column: Int, _ message: String) -> Problem {
      let location = SourceLocation(line: max(1, line), column: max(1, column))
      return Problem(file: file, location: location, message: message)
    }
    switch error {
    case .scanner(let context, let problem, let mark, _),
      .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let place = context.map { " " + $0.text } ?? ""
      return at(mark.line, mark.column, "not valid YAML: \(problem)\(place)")
    case .duplicatedKeysInMapping(let duplicates, let context):
      let keys = duplicates.sorted().map { "`\($0)'" }.joined(separator: ", ")
      return at(
        context.mark.line,
        context.mark.column,
        "the key \(keys) is given twice in one mapping"
      )
    case .reader(let problem, let offset, _, let yaml):
      var line = 1
      var column = 1
      for character in yaml.prefix(offset ?? 0) {
        if character.isNewline { (line, column) = (line + 1, 1) } else { column += 1 }
      }
      return at(line, column, "not valid YAML: \(problem)")
    default: return at(1, 1, "not valid YAML: \(error)")
    }
  }

  private struct Converter {
    let file: String
    let limit: Int
    var count = 0

    mutating func convert(_ node: Node, depth: Int) throws(Problem) -> YAMLNode {
      let mark = node.mark
      let location = SourceLocation(line: mark?.line ?? 1, column: mark?.column ?? 1)
      func fail(_ message: String) -> Problem {
        Problem(file: file, location: location, message: message)
      }
      count += 1
      if count > limit { throw fail("aliases make the document too large") }
      if depth > YAMLDocuments.depthLimit {
        throw fail("nesting deeper than \(YAMLDocuments.depthLimit) levels is not supported")
      }
      switch node {
      case .scalar(let scalar):
        let isPlain = scalar.style == .plain || scalar.style == .any
        return made(.scalar(scalar.string, isPlain: isPlain && !isText(node)), location, node)
      case .sequence(let sequence):
        var items: [YAMLNode] = []
        items.reserveCapacity(sequence.count)
        for item in sequence { items.append(try convert(item, depth: depth + 1)) }
        return made(.sequence(items), location, node)
      case .mapping(let mapping):
        return made(.mapping(try entries(mapping, depth)), location, node)
      case .alias: throw fail("an alias that names nothing")
      }
    }

    private func made(_ content: YAMLNode.Content, _ location: SourceLocation, _ node: Node)
      -> YAMLNode
    {
      let name = node.tag.description
      let tag = name.hasPrefix("!") && name != "!" ? name : nil
      return YAMLNode(content, file: file, location: location, tag: tag)
    }

    private func isText(_ node: Node) -> Bool {
      node.tag.description == "!"
        || node.tag.description == "tag:yaml.org,2002:str"
          && node.scalar?.style != .plain
    }

    /// The entries with `<<` merged in: own keys win, then earlier merged ones.
    private mutating func entries(_ mapping: Node.Mapping, _ depth: Int) throws(Problem)
      -> [YAMLNode.Entry]
    {
      var own: [YAMLNode.Entry] = []
      var merged: [YAMLNode.Entry] = []
      own.reserveCapacity(mapping.count)
      for (key, value) in mapping {
        let keyNode = try convert(key, depth: depth + 1)
        let valueNode = try convert(value, depth: depth + 1)
        guard case .scalar("<<", true) = keyNode.content else {
          own.append(YAMLNode.Entry(key: keyNode, value: valueNode))
          continue
        }
        switch valueNode.content {
        case .mapping(let entries): merged += entries
        case .sequence(let items):
          for item in items {
            guard let entries = item.entries else {
              throw item.problem("`<<' merges mappings, not \(item.kindText)")
            }
            merged += entries
          }
        case .scalar:
          if valueNode.isNull { continue }
          throw valueNode.problem("`<<' merges mappings, not \(valueNode.kindText)")
        }
      }
      guard !merged.isEmpty else { return own }
      var seen = Set(own.compactMap { $0.key.scalarText })
      for entry in merged {
        guard let name = entry.key.scalarText else { continue }
        if seen.insert(name).inserted { own.append(entry) }
      }
      return own
    }
  }
}

extension YAMLNode {
  fileprivate var scalarText: String? {
    guard case .scalar(let text, _) = content else { return nil }
    return text
  }
}
