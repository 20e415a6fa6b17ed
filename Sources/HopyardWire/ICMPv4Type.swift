/// What an ICMP message for IPv4 says.
@frozen
public struct ICMPv4Type: RawRepresentable, Hashable, Sendable {
  /// The number in the message.
  public let rawValue: UInt8

  /// Makes a type from its number.
  @inlinable
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// Echo reply, 0.
  @inlinable public static var echoReply: ICMPv4Type { ICMPv4Type(rawValue: 0) }
  /// Destination unreachable, 3.
  @inlinable public static var destinationUnreachable: ICMPv4Type { ICMPv4Type(rawValue: 3) }
  /// Source quench, 4.
  @inlinable public static var sourceQuench: ICMPv4Type { ICMPv4Type(rawValue: 4) }
  /// Redirect, 5.
  @inlinable public static var redirect: ICMPv4Type { ICMPv4Type(rawValue: 5) }
  /// Echo request, 8.
  @inlinable public static var echoRequest: ICMPv4Type { ICMPv4Type(rawValue: 8) }
  /// Router advertisement, 9.
  @inlinable public static var routerAdvertisement: ICMPv4Type { ICMPv4Type(rawValue: 9) }
  /// Router solicitation, 10.
  @inlinable public static var routerSolicitation: ICMPv4Type { ICMPv4Type(rawValue: 10) }
  /// Time exceeded, 11.
  @inlinable public static var timeExceeded: ICMPv4Type { ICMPv4Type(rawValue: 11) }
  /// Parameter problem, 12.
  @inlinable public static var parameterProblem: ICMPv4Type { ICMPv4Type(rawValue: 12) }
  /// Timestamp request, 13.
  @inlinable public static var timestampRequest: ICMPv4Type { ICMPv4Type(rawValue: 13) }
  /// Timestamp reply, 14.
  @inlinable public static var timestampReply: ICMPv4Type { ICMPv4Type(rawValue: 14) }
  /// Information request, 15.
  @inlinable public static var informationRequest: ICMPv4Type { ICMPv4Type(rawValue: 15) }
  /// Information reply, 16.
  @inlinable public static var informationReply: ICMPv4Type { ICMPv4Type(rawValue: 16) }
  /// Address mask request, 17.
  @inlinable public static var addressMaskRequest: ICMPv4Type { ICMPv4Type(rawValue: 17) }
  /// Address mask reply, 18.
  @inlinable public static var addressMaskReply: ICMPv4Type { ICMPv4Type(rawValue: 18) }

  /// Whether the message reports an error and quotes the packet that caused it.
  @inlinable public var isError: Bool {
    switch rawValue {
    case 3, 4, 5, 11, 12: true
    default: false
    }
  }

  /// Whether the message carries an identifier and a sequence number.
  @inlinable public var isQuery: Bool {
    switch rawValue {
    case 0, 8, 13...18: true
    default: false
    }
  }
}

extension ICMPv4Type: Comparable {
  /// Orders by number.
  @inlinable
  public static func < (left: ICMPv4Type, right: ICMPv4Type) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension ICMPv4Type: CustomStringConvertible {
  /// The name of the type, or its number.
  public var description: String {
    switch rawValue {
    case 0: "echo reply"
    case 3: "destination unreachable"
    case 4: "source quench"
    case 5: "redirect"
    case 8: "echo request"
    case 9: "router advertisement"
    case 10: "router solicitation"
    case 11: "time exceeded"
    case 12: "parameter problem"
    case 13: "time stamp query"
    case 14: "time stamp reply"
    case 15: "information request"
    case 16: "information reply"
    case 17: "address mask request"
    case 18: "address mask reply"
    default: "type-#\(rawValue)"
    }
  }
}
