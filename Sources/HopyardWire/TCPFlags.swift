/// The control bits of a TCP segment.
@frozen
public struct TCPFlags: OptionSet, Hashable, Sendable {
  /// The bits as they are on the wire.
  public let rawValue: UInt8

  /// Makes flags from their bits.
  @inlinable
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// The sender is done sending.
  @inlinable public static var fin: TCPFlags { TCPFlags(rawValue: 0x01) }
  /// The sequence numbers begin here.
  @inlinable public static var syn: TCPFlags { TCPFlags(rawValue: 0x02) }
  /// The connection is broken off.
  @inlinable public static var rst: TCPFlags { TCPFlags(rawValue: 0x04) }
  /// The receiver passes the data on without delay.
  @inlinable public static var psh: TCPFlags { TCPFlags(rawValue: 0x08) }
  /// The acknowledgment number holds.
  @inlinable public static var ack: TCPFlags { TCPFlags(rawValue: 0x10) }
  /// The urgent pointer holds.
  @inlinable public static var urg: TCPFlags { TCPFlags(rawValue: 0x20) }
  /// Congestion was seen on the way (RFC 3168).
  @inlinable public static var ece: TCPFlags { TCPFlags(rawValue: 0x40) }
  /// The congestion window was reduced (RFC 3168).
  @inlinable public static var cwr: TCPFlags { TCPFlags(rawValue: 0x80) }
}

extension TCPFlags: CustomStringConvertible {
  /// The letters that tcpdump prints, such as `S.`; `none` if no flag is set.
  public var description: String {
    let letters: [(TCPFlags, String)] = [
      (.fin, "F"), (.syn, "S"), (.rst, "R"), (.psh, "P"), (.ack, "."), (.urg, "U"), (.ece, "E"),
      (.cwr, "W"),
    ]
    let text = letters.filter { contains($0.0) }.map(\.1).joined()
    return text.isEmpty ? "none" : text
  }
}
