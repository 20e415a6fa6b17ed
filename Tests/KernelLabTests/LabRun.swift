import Foundation
import LabSupport

/// One run of a lab with its recording in a folder that lasts as long as the run is looked at.
struct LabRun {
  /// The lab did not run to its end.
  struct Refused: Error, CustomStringConvertible {
    let description: String
  }

  /// A program to run the labs with.
  static let program = ProcessInfo.processInfo.environment["HOPYARD"]

  static var isAvailable: Bool { program != nil }

  /// Runs a lab and gives the texts of its recording.
  static func texts(of lab: KernelLab) throws -> CanonicalTexts {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("lab-\(lab.name)-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try record(lab, in: folder)
    return try CanonicalTexts(ofRecordingIn: folder)
  }

  private static func record(_ lab: KernelLab, in folder: URL) throws {
    guard let program else { throw Refused(description: "no program") }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = ["run", lab.source.path, "--record", folder.path]
    process.standardOutput = FileHandle.nullDevice
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    let message = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    if process.terminationReason == .uncaughtSignal || process.terminationStatus >= 2 {
      throw Refused(
        description: "exit \(process.terminationStatus): "
          + String(decoding: message.prefix(1000), as: UTF8.self)
      )
    }
  }
}
