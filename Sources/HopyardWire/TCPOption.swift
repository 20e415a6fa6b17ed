/// An option of a TCP header.
public enum TCPOption: Hashable, Sendable {
  /// The end of the options; what follows is padding.
  case end
  /// One byte of padding.
  case noOperation
  /// The largest segment that the sender takes.
  case maximumSegmentSize(UInt16)
  /// The sender's window counts in units of two to this power.
  case windowScale(UInt8)
  /// The sender understands selective acknowledgments.
  case sackPermitted
  /// What has arrived beyond the acknowledgment number: pairs of first and one past last.
  case sack([Block])
  /// The sender's clock, and the other side's as last heard.
  case timestamps(value: UInt32, echo: UInt32)
  /// Any other option with its data.
  case other(kind: UInt8, [UInt8])

  /// A range of sequence numbers in a selective acknowledgment.
  public struct Block: Hashable, Sendable {
    /// The first number.
    public var first: UInt32
    /// One past the last number.
    public var end: UInt32

    /// Makes a block.
    public init(first: UInt32, end: UInt32) {
      self.first = first
      self.end = end
    }
  }

  /// Reads the options of a header up to the first that is malformed, as Linux does.
  ///
  /// A known option of another than its right length is kept as ``other(kind:_:)``.
  public static func parse(_ bytes: [UInt8]) -> [TCPOption] {
    var options: [TCPOption] = []
    var offset = 0
    while offset < bytes.count {
      let kind = bytes[offset]
      if kind == 0 { return options + [.end] }
      if kind == 1 {
        options.append(.noOperation)
        offset += 1
        continue
      }
      guard offset + 1 < bytes.count else { return options }
      let length = Int(bytes[offset + 1])
      guard length >= 2, offset + length <= bytes.count else { return options }
      options.append(TCPOption(kind: kind, data: Array(bytes[(offset + 2)..<(offset + length)])))
      offset += length
    }
    return options
  }

  private init(kind: UInt8, data: [UInt8]) {
    func word(_ start: Int) -> UInt32 {
      data[start..<(start + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }
    switch (kind, data.count) {
    case (2, 2): self = .maximumSegmentSize(UInt16(data[0]) << 8 | UInt16(data[1]))
    case (3, 1): self = .windowScale(data[0])
    case (4, 0): self = .sackPermitted
    case (5, let count) where count > 0 && count % 8 == 0:
      self = .sack(
        stride(from: 0, to: count, by: 8).map { Block(first: word($0), end: word($0 + 4)) }
      )
    case (8, 8): self = .timestamps(value: word(0), echo: word(4))
    default: self = .other(kind: kind, data)
    }
  }

  /// The option as bytes.
  public var encoded: [UInt8] {
    func bytes(_ word: UInt32) -> [UInt8] {
      [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> $0) }
    }
    switch self {
    case .end: return [0]
    case .noOperation: return [1]
    case .maximumSegmentSize(let size): return [2, 4] + bytes(UInt32(size))[2...]
    case .windowScale(let shift): return [3, 3, shift]
    case .sackPermitted: return [4, 2]
    case .sack(let blocks):
      return [5, UInt8(truncatingIfNeeded: 2 + 8 * blocks.count)]
        + blocks.flatMap { bytes($0.first) + bytes($0.end) }
    case .timestamps(let value, let echo): return [8, 10] + bytes(value) + bytes(echo)
    case .other(let kind, let data):
      return [kind, UInt8(truncatingIfNeeded: 2 + data.count)] + data
    }
  }
}

extension TCPOption: CustomStringConvertible {
  /// The option as tcpdump prints it.
  public var description: String {
    switch self {
    case .end: return "eol"
    case .noOperation: return "nop"
    case .maximumSegmentSize(let size): return "mss \(size)"
    case .windowScale(let shift): return "wscale \(shift)"
    case .sackPermitted: return "sackOK"
    case .sack(let blocks):
      let list = blocks.map { "{\($0.first):\($0.end)}" }.joined()
      return "sack \(blocks.count) \(list)"
    case .timestamps(let value, let echo): return "TS val \(value) ecr \(echo)"
    case .other(let kind, _): return "unknown-\(kind)"
    }
  }
}
