import Foundation
import LabSupport
import Testing

/// Every lab gives here the packets, the output and the final state that it gives on Linux.
///
/// `LABS=arp-,route-get` runs those labs only; `KEEP=FOLDER` keeps the texts that differ;
/// `RECORD_KNOWN=1` writes the list of known differences anew and fails.
@Suite
struct LabTests {
  @Test(arguments: KernelLab.all)
  func agreesWithLinux(lab: KernelLab) async throws {
    var differing: [String] = []
    var report = ""
    do {
      let texts = try LabRun.texts(of: lab)
      for kind in CanonicalTexts.Kind.allCases {
        guard let difference = TextDifference(expected: try lab.golden(kind), actual: texts[kind])
        else { continue }
        differing.append(kind.rawValue)
        report += "\n  \(kind.fileName) \(difference)"
        try keep(texts[kind], of: lab, kind)
      }
    } catch let error as LabRun.Refused {
      differing = ["refused"]
      report = "\n  " + error.description
    }
    let differs = differing.joined(separator: ",")
    await Scoreboard.shared.note(lab, differs: differs)

    let known = KnownDifferences.current.entries[lab.name]
    if Scoreboard.isRecording || known?.differs == differs || known == nil && differs.isEmpty {
      return
    }
    switch known {
    case nil: Issue.record("\(lab.name) differs from Linux in \(differs):\(report)")
    case .some where differs.isEmpty:
      Issue.record("\(lab.name) agrees with Linux now: take its line out of known.tsv")
    case .some(let known):
      Issue.record("\(lab.name) differs in \(differs), in known.tsv in \(known.differs):\(report)")
    }
  }

  private func keep(_ text: String, of lab: KernelLab, _ kind: CanonicalTexts.Kind) throws {
    guard let folder = ProcessInfo.processInfo.environment["KEEP"] else { return }
    let place = URL(fileURLWithPath: folder).appendingPathComponent(lab.name)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    try text.write(
      to: place.appendingPathComponent(kind.fileName),
      atomically: false,
      encoding: .utf8
    )
  }
}

/// The list of known differences is well formed.
@Suite struct KnownDifferencesTests {
  @Test func everyLineHasALabAndAReason() {
    #expect(KnownDifferences.current.mistakes.isEmpty)
    let names = Set(KernelLab.names)
    for name in KnownDifferences.current.entries.keys.sorted() where !names.contains(name) {
      Issue.record("known.tsv lists \(name), which is no lab")
    }
  }

  @Test func listIsNotBeingWritten() {
    #expect(!Scoreboard.isRecording, "known.tsv was written anew: look at it and run again")
  }

  @Test func linesWithoutAReasonAreMistakes() {
    let list = KnownDifferences(
      parsing: "# lab\na\tpackets\twhy\nb\tstate\t?\na\tstate\tagain\nc\n"
    )
    #expect(list.entries["a"]?.differs == "state")
    #expect(list.mistakes.count == 3)
  }
}
