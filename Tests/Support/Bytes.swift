/// A part of a frame or message: positions count from its own start, and a read past its end throws.
public struct Bytes: Sendable {
  /// A read went past the end, or a field has an impossible length.
  public struct Malformed: Error {}

  private let storage: [UInt8]
  private let start: Int
  /// How many bytes there are.
  public let count: Int

  /// All of an array.
  public init(_ storage: [UInt8]) {
    self.storage = storage
    start = 0
    count = storage.count
  }

  private init(storage: [UInt8], start: Int, count: Int) {
    self.storage = storage
    self.start = start
    self.count = count
  }

  /// Whether there are no bytes.
  public var isEmpty: Bool { count == 0 }

  /// The bytes as an array of their own.
  public var array: [UInt8] { Array(storage[start..<start + count]) }

  /// Calls `body` with the bytes in place.
  public func withUnsafeBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    storage.withUnsafeBufferPointer {
      body(UnsafeBufferPointer(rebasing: $0[start..<start + count]))
    }
  }

  /// The bytes from one position to another, as many of them as exist.
  public func slice(_ from: Int, _ to: Int = .max) -> Bytes {
    let low = min(max(from, 0), count)
    let high = max(low, min(to, count))
    return Bytes(storage: storage, start: start + low, count: high - low)
  }

  /// The byte at a position.
  public func u8(_ at: Int) throws(Malformed) -> Int {
    guard at >= 0, at < count else { throw Malformed() }
    return Int(storage[start + at])
  }

  /// The 16-bit number at a position, in network order.
  public func u16(_ at: Int) throws(Malformed) -> Int {
    guard at >= 0, at + 2 <= count else { throw Malformed() }
    return Int(storage[start + at]) << 8 | Int(storage[start + at + 1])
  }

  /// The 32-bit number at a position, in network order.
  public func u32(_ at: Int) throws(Malformed) -> Int {
    try u16(at) << 16 | u16(at + 2)
  }

  /// Whether the bytes are exactly these.
  public func equals(_ other: [UInt8]) -> Bool {
    count == other.count && storage[start..<start + count].elementsEqual(other)
  }

  /// Two hexadecimal digits for each byte, with an optional separator between bytes.
  public func hex(separator: UInt8? = nil) -> String {
    let digits = StaticHexDigits.lowercase
    var text: [UInt8] = []
    text.reserveCapacity(count * 3)
    for index in start..<start + count {
      if let separator, index > start { text.append(separator) }
      text.append(digits[Int(storage[index] >> 4)])
      text.append(digits[Int(storage[index] & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}

private enum StaticHexDigits {
  static let lowercase = Array("0123456789abcdef".utf8)
}
