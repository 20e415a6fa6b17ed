/// A connection's state as conntrack sees it, numbered as Linux numbers it.
public enum ConntrackTCPState: UInt8, Sendable, CaseIterable {
  case none, synSent, synReceived, established, finWait, closeWait, lastAck, timeWait, close
  case synSent2

  /// The name in listings.
  public var name: String {
    switch self {
    case .none: "NONE"
    case .synSent: "SYN_SENT"
    case .synReceived: "SYN_RECV"
    case .established: "ESTABLISHED"
    case .finWait: "FIN_WAIT"
    case .closeWait: "CLOSE_WAIT"
    case .lastAck: "LAST_ACK"
    case .timeWait: "TIME_WAIT"
    case .close: "CLOSE"
    case .synSent2: "SYN_SENT2"
    }
  }
}

/// What conntrack keeps of one side of a TCP connection.
struct TCPSide {
  /// The end of what it sent.
  var end: UInt32 = 0
  /// The end of what it may send.
  var maximumEnd: UInt32 = 0
  /// The largest window that it offered.
  var maximumWindow: UInt32 = 0
  /// The highest acknowledgement that it sent.
  var maximumAck: UInt32 = 0
  var scale: UInt8 = 0
  var flags: Flags = []

  struct Flags: OptionSet {
    let rawValue: UInt8
    static let windowScale = Flags(rawValue: 1)
    static let selectiveAck = Flags(rawValue: 2)
    static let closeInitiated = Flags(rawValue: 4)
    static let beLiberal = Flags(rawValue: 8)
    static let unacknowledged = Flags(rawValue: 16)
    static let maximumAckSet = Flags(rawValue: 32)
    static let challengeAck = Flags(rawValue: 64)
    static let simultaneousOpen = Flags(rawValue: 128)
  }
}

/// The kind of a segment, by its flags.
enum TCPSegmentKind: UInt8 {
  case syn, synAck, fin, ack, rst, none
}

/// The tracked state of a TCP connection: the state machine and the windows of both sides.
///
/// The state machine and the window rules are those of Linux's `nf_conntrack_proto_tcp`, which
/// cites Guido van Rooij, "Real Stateful TCP Packet Filtering in IP Filter".
///
/// The fields stand so that the small ones fill what the sides leave.
struct TCPTracking {
  var original = TCPSide()
  var lastWindow: UInt16 = 0
  var reply = TCPSide()
  var retransmissions: UInt8 = 0
  var lastScale: UInt8 = 0
  var lastSequence: UInt32 = 0
  var lastAck: UInt32 = 0
  var lastEnd: UInt32 = 0
  var state = ConntrackTCPState.none
  var lastKind = TCPSegmentKind.none
  var lastDirection = ConntrackDirection.original
  var lastFlags: TCPSide.Flags = []

  @inline(__always)
  func side(_ direction: ConntrackDirection) -> TCPSide {
    direction == .original ? original : reply
  }

  @inline(__always)
  mutating func setSide(_ direction: ConntrackDirection, _ side: TCPSide) {
    if direction == .original { original = side } else { reply = side }
  }

  /// Whether data went both ways since the handshake began.
  var isEstablished: Bool {
    switch state {
    case .established, .finWait, .closeWait, .lastAck, .timeWait: true
    default: false
    }
  }
}

/// Where the state machine goes.
enum TCPTransition {
  /// What the packed rows say beside a state's number.
  static let ignore: UInt8 = 14
  static let invalid: UInt8 = 15

  /// The next state's number, ``ignore`` or ``invalid``.
  ///
  /// A row has four bits for each present state, NONE lowest, SYN_SENT2 highest.
  @inline(__always)
  static func next(
    _ state: ConntrackTCPState,
    _ direction: ConntrackDirection,
    _ kind: TCPSegmentKind
  ) -> UInt8 {
    let row: UInt64
    switch (direction, kind) {
    case (.original, .syn): row = 0x91_1eee_ee11
    case (.original, .synAck): row = 0x2f_ffff_f2ff
    case (.original, .ack): row = 0xf8_7755_33f3
    case (.reply, .syn): row = 0x9f_1fff_ff9f
    case (.reply, .synAck): row = 0x2e_eeee_ee2f
    case (.reply, .ack): row = 0xe8_7755_32ef
    case (_, .fin): row = 0xf8_7666_44ff
    case (_, .rst): row = 0x88_8888_888f
    case (_, .none): row = 0xff_ffff_ffff
    }
    return UInt8(truncatingIfNeeded: row &>> (UInt64(state.rawValue) &* 4)) & 15
  }
}
