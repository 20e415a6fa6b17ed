import Foundation
import LabSupport
import Testing

/// Raw recordings of the real kernel become the very texts that are kept for them.
@Suite struct NormaliserTests {
  @Test(arguments: KernelLab.recordings)
  func recordingBecomesGoldenText(name: String) throws {
    let lab = KernelLab(name: name)
    let texts = try CanonicalTexts(
      ofRecordingIn: KernelLab.folder.appendingPathComponent("Raw/\(name)")
    )
    for kind in CanonicalTexts.Kind.allCases {
      let difference = TextDifference(expected: try lab.golden(kind), actual: texts[kind])
      #expect(difference == nil, "\(kind.fileName): \(difference?.description ?? "")")
    }
  }

  @Test func recordingsAreThere() {
    #expect(KernelLab.recordings.count >= 10)
    #expect(!KernelLab.all.isEmpty)
  }
}
