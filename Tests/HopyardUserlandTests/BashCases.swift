import Foundation
import Testing

/// A script and what bash 5.2, with the usual tools of Debian 12, prints for it.
struct BashCase: CustomTestStringConvertible, Sendable {
  var script: String
  var output: String

  var testDescription: String { String(script.prefix(60)) }

  /// The cases of `Cases/bash.txt`: a script, `%% prints`, its output, `%% end`.
  static let all: [BashCase] = {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Cases/bash.txt").path
    let text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    return text.components(separatedBy: "%% end\n").compactMap { part in
      let halves = part.components(separatedBy: "%% prints\n")
      guard halves.count == 2 else { return nil }
      return BashCase(script: halves[0], output: halves[1])
    }
  }()
}
