import Foundation
import HopyardCapture
import HopyardSimulator
import HopyardUserland
import LabSupport

/// One run of a lab, with its recording in a folder that is gone when the texts have been made.
enum LabRun {
  /// The lab did not run to its end.
  struct Refused: Error, CustomStringConvertible {
    let description: String
  }

  /// Runs a lab and gives the texts of its recording.
  static func texts(of lab: KernelLab) throws -> CanonicalTexts {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("lab-\(lab.name)-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try record(lab, in: folder)
    return try CanonicalTexts(ofRecordingIn: folder)
  }

  /// Does what `hopyard run LAB --record FOLDER` does.
  private static func record(_ kernelLab: KernelLab, in folder: URL) throws {
    let text = try String(contentsOf: kernelLab.source, encoding: .utf8)
    let lab = Lab(name: kernelLab.name + ".lab", text: text)
    defer { lab.close() }
    let problems = lab.problems
    guard problems.isEmpty else {
      throw Refused(description: problems.prefix(5).map(\.description).joined(separator: "\n  "))
    }
    let recording = try RecordDirectory(path: folder.path)
    let captures = CaptureFanout([recording.tap])
    lab.simulation.tap = captures
    let ending = lab.run()
    lab.simulation.tap = nil
    captures.finish()
    try lab.write(to: recording)
    if ending.exitStatus == 2 { throw Refused(description: "\(ending)") }
  }
}
