import ArgumentParser
import Hopyard

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Reads and writes the files of the command line.
enum LabFile {
  /// The largest file that is read as a lab.
  static let limit = 64 << 20

  /// Reads a lab; `-` is standard input.
  static func read(_ path: String) throws -> ShellSource {
    let isStandardInput = path == "-"
    let descriptor = isStandardInput ? 0 : open(path, O_RDONLY)
    func fail(_ reason: String) throws -> Never {
      Standard.error("\(path): \(reason)\n")
      throw ExitCode(2)
    }
    if descriptor < 0 { try fail(String(cString: strerror(errno))) }
    defer { if !isStandardInput { close(descriptor) } }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0 {
        if errno == EINTR { continue }
        try fail(String(cString: strerror(errno)))
      }
      if count == 0 { break }
      bytes.append(contentsOf: buffer[..<count])
      if bytes.count > limit { try fail("more than \(limit >> 20) MiB, expected a lab") }
    }
    return ShellSource(name: isStandardInput ? "stdin" : path, bytes: bytes)
  }
}

/// Standard output, collected to large writes, and standard error.
///
/// Used by the main thread only.
enum Standard {
  nonisolated(unsafe) private static var buffer: [UInt8] = []
  /// The error with which standard output could not be written.
  nonisolated(unsafe) private(set) static var failure: Int32?

  /// Writes to standard output.
  static func output(_ bytes: ArraySlice<UInt8>) {
    buffer.append(contentsOf: bytes)
    if buffer.count >= 65_536 { flush() }
  }

  static func output(_ text: String) { output(ArraySlice(text.utf8)) }

  /// Writes what was collected.
  static func flush() {
    if let error = write(buffer, to: 1), failure == nil { failure = error }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Writes to standard error, after what standard output was given before.
  static func error(_ text: String) {
    flush()
    _ = write(Array(text.utf8), to: 2)
  }

  private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done)
      }
      if count < 0 {
        if errno == EINTR { continue }
        return errno
      }
      done += count
    }
    return nil
  }

  /// Whether standard error is a terminal.
  static var isErrorTerminal: Bool { isatty(2) != 0 }
}

/// A span of virtual time on the command line: `90`, `1.5s`, `20ms`, `3m`.
struct VirtualTime: ExpressibleByArgument {
  let nanoseconds: Int64

  init?(argument: String) {
    let units: [(String, Double)] = [
      ("ms", 1e6), ("us", 1e3), ("ns", 1), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
    ]
    var number = Substring(argument)
    var scale = 1e9
    for (suffix, factor) in units where argument.hasSuffix(suffix) {
      number = argument.dropLast(suffix.count)
      scale = factor
      break
    }
    guard let value = Double(number), value >= 0, value * scale < 9e18 else { return nil }
    nanoseconds = Int64(value * scale)
  }
}

extension IptablesVariant: ExpressibleByArgument {}
