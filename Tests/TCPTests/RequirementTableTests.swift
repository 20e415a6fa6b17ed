import Foundation
import Testing

/// The table of RFC 9293's MUSTs in `Docs/TCP.md`.
@Suite struct RequirementTableTests {
  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  private static let package = tests.deletingLastPathComponent().deletingLastPathComponent()

  private static func rows() throws -> [(number: Int, shown: String)] {
    let url = package.appendingPathComponent("Docs/TCP.md")
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").compactMap { line in
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      guard cells.count == 3, cells[0].hasPrefix("MUST-"), let number = Int(cells[0].dropFirst(5))
      else { return nil }
      return (number, cells[2])
    }
  }

  @Test func `each MUST of the RFC has one row`() throws {
    #expect(try Self.rows().map(\.number) == Array(1...69))
  }

  @Test func `each test and lab of the table exists`() throws {
    let sources = try FileManager.default
      .contentsOfDirectory(at: Self.tests, includingPropertiesForKeys: nil)
      .filter { $0.pathExtension == "swift" }
      .map { try String(contentsOf: $0, encoding: .utf8) }
      .joined()
    let labs = Self.package.appendingPathComponent("Tests/KernelLabTests/Labs")
    var named = 0
    for row in try Self.rows() {
      let parts = row.shown.components(separatedBy: "`")
      for (index, name) in parts.enumerated() where index % 2 == 1 {
        if sources.contains("func `\(name)`") {
          named += 1
        } else if name.contains(" ") {
          Issue.record("MUST-\(row.number): there is no test “\(name)”")
        } else if name.hasPrefix("tcp-") || name.hasPrefix("icmp-") {
          let file = labs.appendingPathComponent("\(name).lab").path
          #expect(FileManager.default.fileExists(atPath: file), "MUST-\(row.number): lab \(name)")
          named += 1
        }
      }
    }
    #expect(named >= 48)
  }
}
