import Foundation
import HopyardUserland
import Testing

/// Commands and what they printed on Linux 6.18 with iproute2 6.1 and bridge-utils 1.7, played
/// again here.
@Suite struct CommandTranscriptTests {
  @Test(arguments: ["link", "address", "neighbour", "bridge"])
  func `the tools print what they printed on Linux`(_ name: String) throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Transcripts/\(name).txt")
    let steps = Self.steps(of: try String(contentsOf: file, encoding: .utf8))
    let lab = Lab(name: name, text: steps.map(\.command).joined(separator: "\n") + "\n")
    #expect(lab.problems.map(\.description) == [])
    _ = lab.run()
    let session = lab.runner.session
    #expect(session.lines.count == steps.count)
    for (index, line) in session.lines.enumerated() where index < steps.count {
      var printed = String(decoding: session.output(of: index), as: UTF8.self)
      if line.status != 0 { printed += "[exit \(line.status)]\n" }
      #expect(printed == steps[index].output, "\(name): \(steps[index].command)")
    }
    lab.close()
  }

  private static func steps(of text: String) -> [(command: String, output: String)] {
    var steps: [(command: String, output: String)] = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
      if line.hasPrefix("$ ") {
        steps.append((String(line.dropFirst(2)), ""))
      } else if !steps.isEmpty {
        steps[steps.count - 1].output += line + "\n"
      }
    }
    return steps
  }
}
