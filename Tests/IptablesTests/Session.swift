import Foundation
import HopyardSimulator

@testable import HopyardUserland

/// A file of commands with what the real iptables printed, see `record.py`.
struct Session {
  struct Entry {
    var command: String
    var expected: String
    var startsAfresh: Bool
  }

  let entries: [Entry]

  init(named name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let url = folder.appending(path: "Sessions/\(name).txt")
    var entries: [Entry] = []
    var startsAfresh = true
    for line in try String(contentsOf: url, encoding: .utf8).split(
      separator: "\n",
      omittingEmptySubsequences: false
    ) {
      if line == "RESET" {
        startsAfresh = true
      } else if line.hasPrefix("$ ") {
        entries.append(
          Entry(command: String(line.dropFirst(2)), expected: "", startsAfresh: startsAfresh)
        )
        startsAfresh = false
      } else if !entries.isEmpty {
        entries[entries.count - 1].expected += line + "\n"
      }
    }
    self.entries = entries
  }
}

/// A namespace with nothing but rules in it.
final class RuleBench {
  private let pool = ChainPool()
  private var rulesets: [String: Ruleset] = [:]
  private let programs = Dictionary(
    uniqueKeysWithValues: IptablesProgram.all(plain: .nft).map { ($0.name, $0) }
  )

  func ruleset(_ family: RuleFamily, _ variant: RulesetVariant) -> Ruleset {
    let key = "\(family) \(variant)"
    if let known = rulesets[key] { return known }
    let new = Ruleset(family: family, variant: variant, pool: pool)
    rulesets[key] = new
    return new
  }

  func reset() { rulesets = [:] }

  func run(_ words: [String], input: String = "") -> IptablesResult {
    guard let name = words.first, let program = programs[name] else {
      return IptablesResult(output: "", errors: "no program\n", status: 127)
    }
    let environment = IptablesEnvironment(ruleset: { [self] in ruleset(program.family, $0) })
    return IptablesCommand.run(
      program,
      arguments: Array(words.dropFirst()),
      input: { input },
      environment: environment
    )
  }

  /// Runs a command of a session; gives what it printed, as the session would have it.
  func transcript(_ command: String) -> String {
    let parts = command.components(separatedBy: " <<< ")
    let input = parts.count > 1 ? Self.unescaped(parts[1]) : ""
    let result = run(Self.words(parts[0]), input: input)
    if let refusal = result.refusal { return "refused: \(refusal)\n" }
    var text = (result.errors + result.output).split(
      separator: "\n",
      omittingEmptySubsequences: false
    ).filter { !$0.hasPrefix("# Generated") && !$0.hasPrefix("# Completed") }.joined(
      separator: "\n"
    )
    if !text.isEmpty, !text.hasSuffix("\n") { text += "\n" }
    return text + (result.status == 0 ? "" : "[exit \(result.status)]\n")
  }

  /// The words of a command: what is between quotes stays together.
  static func words(_ text: String) -> [String] {
    var words: [String] = []
    var word: String?
    var quote: Character?
    var isEscaped = false
    for character in text {
      if isEscaped {
        word = (word ?? "") + String(character)
        isEscaped = false
      } else if let open = quote {
        if character == open {
          quote = nil
        } else if character == "\\", open == "\"" {
          isEscaped = true
        } else {
          word = (word ?? "") + String(character)
        }
      } else if character == "\"" || character == "'" {
        quote = character
        word = word ?? ""
      } else if character == "\\" {
        isEscaped = true
      } else if character == " " {
        if let word { words.append(word) }
        word = nil
      } else {
        word = (word ?? "") + String(character)
      }
    }
    if let word { words.append(word) }
    return words
  }

  private static func unescaped(_ text: String) -> String {
    text.replacing("\\\\", with: "\u{1}").replacing("\\n", with: "\n")
      .replacing("\\\"", with: "\"").replacing("\u{1}", with: "\\")
  }
}
