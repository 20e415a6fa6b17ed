/// A place in a file as editors count it: lines and columns from 1, columns in characters.
public struct SourceLocation: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The line, from 1.
  public var line: Int
  /// The column in characters, from 1.
  public var column: Int

  /// Creates a location.
  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  /// Whether one place comes before another in the same file.
  public static func < (a: SourceLocation, b: SourceLocation) -> Bool {
    (a.line, a.column) < (b.line, b.column)
  }

  /// The place as `line:column`.
  public var description: String { "\(line):\(column)" }
}

/// Something wrong at a place of a file, printed as `file:line:column: message`.
public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
  /// The name of the file.
  public var file: String
  /// The place in the file.
  public var location: SourceLocation
  /// What is wrong there.
  public var message: String

  /// Creates a problem.
  public init(file: String, location: SourceLocation, message: String) {
    self.file = file
    self.location = location
    self.message = message
  }

  /// The problem as `file:line:column: message`.
  public var description: String { "\(file):\(location): \(message)" }
}

/// The text of a lab file, which turns the byte offsets of the syntax tree into places.
public final class ShellSource: Sendable {
  /// The name of the file.
  public let name: String
  /// The bytes of the file.
  public let bytes: [UInt8]
  private let lineStarts: [Int]

  /// Keeps a file's name and bytes.
  public init(name: String, bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
    var starts = [0]
    for (offset, byte) in bytes.enumerated() where byte == 0x0A { starts.append(offset + 1) }
    lineStarts = starts
  }

  /// Keeps a file's name and text.
  public convenience init(name: String, text: String) {
    self.init(name: name, bytes: Array(text.utf8))
  }

  /// The number of the line, from 1, that holds a byte.
  public func line(of offset: Int) -> Int {
    var low = 0
    var high = lineStarts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle }
    }
    return low + 1
  }

  /// The place of a byte.
  public func location(of offset: Int) -> SourceLocation {
    let line = line(of: offset)
    let end = min(max(offset, 0), bytes.count)
    var column = 1
    var index = lineStarts[line - 1]
    while index < end {
      if bytes[index] & 0xC0 != 0x80 { column += 1 }
      index += 1
    }
    return SourceLocation(line: line, column: column)
  }

  /// A problem at a byte of this file.
  public func problem(at offset: Int, _ message: String) -> Problem {
    Problem(file: name, location: location(of: offset), message: message)
  }

  /// The offsets of the bytes in which a line starts.
  var starts: [Int] { lineStarts }
}

/// A stretch of shell text of which every byte still knows where in the file it came from.
public struct ShellText: Sendable {
  /// The bytes of the text.
  public var bytes: [UInt8]
  /// For each byte, and for the end, its offset in the file.
  public var offsets: [Int]

  /// Takes text with one offset for each byte and one for its end.
  public init(bytes: [UInt8], offsets: [Int]) {
    self.bytes = bytes
    self.offsets = offsets
    if self.offsets.count <= bytes.count {
      let last = offsets.last ?? 0
      self.offsets += Array(repeating: last, count: bytes.count + 1 - offsets.count)
    }
  }

  /// Takes a stretch of a file.
  public init(_ source: ShellSource, _ range: Range<Int>) {
    bytes = Array(source.bytes[range])
    offsets = Array(range.lowerBound...range.upperBound)
  }

  /// Text that was made while running: all of it stands where the command stands that made it.
  public init(_ text: String, at offset: Int) {
    bytes = Array(text.utf8)
    offsets = Array(repeating: offset, count: bytes.count + 1)
  }
}
