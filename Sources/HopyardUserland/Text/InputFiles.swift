extension Process {
  /// Calls `body` with a descriptor for each file, or for standard input where there is none or
  /// it is named `-`; says which cannot be opened and gives how many those are.
  func forEachInput(
    _ paths: [String],
    complaint: (String, Errno) -> String,
    _ body: (Int32, String) async throws(ProcessExit) -> Void
  ) async throws(ProcessExit) -> Int {
    var failures = 0
    for path in paths.isEmpty ? ["-"] : paths {
      if path == "-" {
        try await body(0, path)
        continue
      }
      do {
        let file = try open(path, .read)
        if kind(of: path) == .directory { throw Errno.isDirectory }
        let number = freeDescriptor
        setDescriptor(number, file)
        defer { setDescriptor(number, nil) }
        try await body(number, path)
      } catch let error as Errno {
        try await printError(complaint(path, error))
        failures += 1
      } catch let error as ProcessExit {
        throw error
      } catch {
        failures += 1
      }
    }
    return failures
  }

  /// Calls `body` with each line of the files, without its line end.
  func forEachLine(
    _ paths: [String],
    delimiter: UInt8 = 0x0A,
    _ body: (ArraySlice<UInt8>) async throws(ProcessExit) -> Bool
  ) async throws(ProcessExit) -> Int {
    let name = name
    var isDone = false
    return try await forEachInput(paths, complaint: { "\(name): \($0): \($1)\n" }) {
      number,
      _ async throws(ProcessExit) in
      while !isDone, let line = try await readLine(from: number, delimiter: delimiter) {
        if try await !body(line.last == delimiter ? line.dropLast() : line[...]) { isDone = true }
      }
    }
  }
}

/// Numbers as the tools read them.
enum NumberText {
  /// `10`, `1K`, `2M`, `3b`, `1kB`: how many bytes; nil for anything else.
  static func size(_ text: String) -> Int? {
    let digits = text.prefix { $0.isNumber }
    guard let value = Int(digits) else { return nil }
    let factor: Int
    switch text.dropFirst(digits.count) {
    case "": factor = 1
    case "b": factor = 512
    case "k", "K", "KiB": factor = 1 << 10
    case "M", "MiB": factor = 1 << 20
    case "G", "GiB": factor = 1 << 30
    case "kB", "KB": factor = 1_000
    case "MB": factor = 1_000_000
    case "GB": factor = 1_000_000_000
    default: return nil
    }
    let (product, overflow) = value.multipliedReportingOverflow(by: factor)
    return overflow ? nil : product
  }
}
