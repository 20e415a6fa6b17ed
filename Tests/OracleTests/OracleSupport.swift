import Foundation
import LabSupport
import Testing

/// The folder of third-party cases that the project never contains.
///
/// It is `$HOPYARD_ORACLES`, else `../shared/oracles` beside the package; tests of a folder that is
/// not there are skipped, visibly, through `.oracle("FOLDER")`.
enum Oracles {
  /// The folder of another set of cases, nil when the environment names none.
  private static let named = ProcessInfo.processInfo.environment["HOPYARD_ORACLES"]
    .flatMap { $0.isEmpty ? nil : URL(fileURLWithPath: $0, isDirectory: true) }

  /// The folder with one folder for each source of cases.
  static let root: URL =
    named ?? package.deletingLastPathComponent().appendingPathComponent("shared/oracles")

  /// Whether a failing case that is not on the list of known ones fails the test.
  ///
  /// Cases of a folder named in the environment are only counted and listed.
  static let isStrict = named == nil

  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  private static let package = tests.deletingLastPathComponent().deletingLastPathComponent()

  /// `known.tsv`: the cases that do not pass, by file and id, with the reason of each.
  static let known = KnownCases(
    parsing: (try? String(contentsOf: tests.appendingPathComponent("known.tsv"), encoding: .utf8))
      ?? ""
  )

  /// Where a file or folder of the oracles is, named relative to their root.
  static func url(_ path: String) -> URL { root.appendingPathComponent(path) }

  /// Whether a file or folder of the oracles is there.
  static func has(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: url(path).path)
  }

  /// The bytes of a file.
  static func bytes(_ path: String) throws -> [UInt8] {
    do {
      return [UInt8](try Data(contentsOf: url(path)))
    } catch {
      throw OracleError.unreadable(path, "\(error)")
    }
  }

  /// The text of a file.
  static func text(_ path: String) throws -> String {
    String(decoding: try bytes(path), as: UTF8.self)
  }

  /// The JSON document of a file.
  static func json(_ path: String) throws -> JSONValue {
    guard let value = JSONValue(parsing: try bytes(path)) else {
      throw OracleError.unreadable(path, "not a JSON document")
    }
    return value
  }

  /// The names in a folder, sorted.
  static func names(in path: String) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: url(path).path).sorted()
    } catch {
      throw OracleError.unreadable(path, "\(error)")
    }
  }
}

/// A file of the oracles that cannot be used.
enum OracleError: Error, CustomStringConvertible {
  case unreadable(String, String)

  var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): \(reason)"
    }
  }
}

extension Trait where Self == ConditionTrait {
  /// Skips a test, with the reason, where the folder (or file) of its cases is not there.
  static func oracle(_ path: String) -> Self {
    .enabled(
      if: Oracles.has(path),
      "no \(path) under \(Oracles.root.path) (set HOPYARD_ORACLES to another folder)"
    )
  }
}

/// The cases that are known not to pass: `folder/file`, case id and reason on each line.
struct KnownCases: Sendable {
  private var reasons: [String: [String: String]] = [:]
  /// Lines that are not three fields with a reason, and cases that are listed twice.
  private(set) var mistakes: [String] = []

  init(parsing text: String) {
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 3, fields.allSatisfy({ !$0.isEmpty }), fields[2] != "?" else {
        mistakes.append("no file, case and reason: \(line)")
        continue
      }
      if reasons[fields[0], default: [:]].updateValue(fields[2], forKey: fields[1]) != nil {
        mistakes.append("listed twice: \(fields[0]) \(fields[1])")
      }
    }
  }

  /// Why a case is known not to pass.
  func reason(_ id: String, of file: String) -> String? { reasons[file]?[id] }
}

/// Counts the cases of one file, prints the totals and fails the test where a case must pass.
struct OracleTally {
  /// What came of one case.
  enum Outcome {
    case pass
    /// The case is one of the simulator's, and it went otherwise than it should.
    case fail(String)
    /// What the case is about is not modelled; it counts in the total all the same.
    case skip(String)
  }

  let file: String
  private var known: KnownCases = Oracles.known
  private var passed = 0
  private var knownIDs: [String] = []
  private var staleIDs: [String] = []
  private var skipped: [String: Int] = [:]
  private var failures: [(id: String, reason: String)] = []
  private var total = 0

  /// A tally of `folder/file`.
  init(_ file: String, known: KnownCases = Oracles.known) {
    self.file = file
    self.known = known
  }

  /// Counts one case.
  mutating func note(_ id: String, _ outcome: Outcome) {
    total += 1
    let reason = known.reason(id, of: file)
    switch outcome {
    case .pass:
      passed += 1
      if reason != nil { staleIDs.append(id) }
    case .skip(let reason):
      skipped[reason, default: 0] += 1
    case .fail(let what):
      if reason != nil { knownIDs.append(id) } else { failures.append((id, what)) }
    }
  }

  /// Runs one case, whose body throws or returns what is wrong; nil is a pass.
  mutating func check(_ id: String, _ body: () throws -> String?) {
    do {
      if let wrong = try body() { note(id, .fail(wrong)) } else { note(id, .pass) }
    } catch {
      note(id, .fail("\(error)"))
    }
  }

  /// The cases that neither pass nor stand on the list of known ones.
  var unexpected: [String] { failures.map(\.id) }

  /// `oracle FOLDER/FILE: N of M pass, K known, S skipped (reason)`.
  var summary: String {
    let count = skipped.values.reduce(0, +)
    var line =
      "oracle \(file): \(passed) of \(total) pass, \(knownIDs.count) known, \(count) skipped"
    if count > 0 {
      let reasons = skipped.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      line += " (" + reasons.map { "\($0.value) \($0.key)" }.joined(separator: "; ") + ")"
    }
    if !failures.isEmpty { line += ", \(failures.count) FAIL" }
    return line
  }

  /// Prints the totals with the failing cases, and records them where they must pass.
  func finish(sourceLocation: SourceLocation = #_sourceLocation) {
    print(summary)
    for failure in failures { print("  FAIL \(file) \(failure.id): \(failure.reason)") }
    for id in staleIDs { print("  known.tsv lists \(file) \(id), which passes") }
    if total == 0 {
      Issue.record("\(file) holds no case", sourceLocation: sourceLocation)
    }
    if Oracles.isStrict, !failures.isEmpty {
      let shown = failures.prefix(20).map { "\n  \($0.id): \($0.reason)" }.joined()
      Issue.record("\(summary)\(shown)", sourceLocation: sourceLocation)
    }
  }
}
