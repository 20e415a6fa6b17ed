import Foundation

/// A Swift file as far as the rules on its imports, types and length need it.
struct SwiftSource: Sendable {
  /// A type that the file declares.
  struct Declaration: Hashable, Sendable {
    var name: String
    var isTopLevel: Bool
    /// Visible in this file only.
    var isPrivate: Bool
  }

  /// The path below the package, with `/` between folders.
  let path: String
  let lineCount: Int
  /// Names of imported modules.
  let imports: [String]
  let declarations: Set<Declaration>
  /// Capitalised words of the code that are not members of something else.
  let typeWords: Set<String>

  init(path: String, text: String) {
    self.path = path
    lineCount = text.utf8.reduce(0) { $0 + ($1 == 0x0a ? 1 : 0) }
    let tokens = SwiftTokens(text).tokens
    var imports: [String] = []
    var declarations: Set<Declaration> = []
    var words: Set<String> = []
    var depth = 0
    for (index, token) in tokens.enumerated() {
      switch token {
      case "{": depth += 1
      case "}": depth -= 1
      default: break
      }
      let previous = index > 0 ? tokens[index - 1] : ""
      guard token.first?.isLetter == true || token.first == "_" else { continue }
      if SwiftSource.typeKeywords.contains(previous), token.first?.isUppercase == true {
        let modifiers = tokens[max(0, index - 5)..<index]
        declarations.insert(
          Declaration(
            name: token,
            isTopLevel: depth == 0,
            isPrivate: modifiers.contains("private") || modifiers.contains("fileprivate")
          )
        )
      } else if previous == "import" {
        imports.append(token)
      } else if token.first?.isUppercase == true, previous != "." {
        words.insert(token)
      }
    }
    self.imports = imports
    self.declarations = declarations
    typeWords = words
  }

  private static let typeKeywords: Set<String> = [
    "struct", "class", "enum", "actor", "protocol", "typealias", "associatedtype",
  ]

  /// The root of the package.
  static let package = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// The Swift files below a folder, in order of path.
  static func files(below folder: String) -> [SwiftSource] {
    let root = package.appendingPathComponent(folder).path
    let paths = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    return paths.filter { $0.hasSuffix(".swift") }.sorted().compactMap { path in
      guard let data = FileManager.default.contents(atPath: root + "/" + path) else { return nil }
      return SwiftSource(path: folder + "/" + path, text: String(decoding: data, as: UTF8.self))
    }
  }
}
