import Foundation

/// Runs other programs and collects what they print.
enum Subprocess {
  struct Outcome {
    var status: Int32
    var output: String
    var errors: String

    /// The last line that explains a failure.
    var complaint: String {
      let lines = errors.split(separator: "\n")
      return lines.last.map(String.init) ?? "exit status \(status)"
    }
  }

  /// Runs `arguments` (the first is the program, looked up in PATH when it has no slash).
  static func run(_ arguments: [String], in directory: String? = nil) -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
    let output = Pipe()
    let errorFile = FileManager.default.temporaryDirectory
      .appendingPathComponent("hopyard-bench-\(getpid()).err")
    _ = FileManager.default.createFile(atPath: errorFile.path, contents: nil)
    process.standardOutput = output
    process.standardError = FileHandle(forWritingAtPath: errorFile.path)
    process.standardInput = FileHandle.nullDevice
    defer { try? FileManager.default.removeItem(at: errorFile) }
    do {
      try process.run()
    } catch {
      return Outcome(status: 127, output: "", errors: "\(error)")
    }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let errors = (try? String(contentsOf: errorFile, encoding: .utf8)) ?? ""
    return Outcome(
      status: process.terminationStatus,
      output: String(decoding: data, as: UTF8.self),
      errors: errors
    )
  }
}
