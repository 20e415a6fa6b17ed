/// A point on a packet's way where rules and functions stand, numbered as `NF_INET_*`.
public enum Hook: UInt8, Sendable, CaseIterable {
  /// A packet was received.
  case prerouting
  /// It is for this host.
  case input
  /// It is for another host.
  case forward
  /// It was made by this host.
  case output
  /// It leaves.
  case postrouting

  /// The name that built-in chains have.
  public var chainName: String {
    switch self {
    case .prerouting: "PREROUTING"
    case .input: "INPUT"
    case .forward: "FORWARD"
    case .output: "OUTPUT"
    case .postrouting: "POSTROUTING"
    }
  }

  /// The name in traces.
  public var stage: String {
    switch self {
    case .prerouting: "prerouting"
    case .input: "input"
    case .forward: "forward"
    case .output: "output"
    case .postrouting: "postrouting"
    }
  }

  /// Whether NAT changes the source here.
  @inline(__always)
  var manipulation: NATManipulation {
    self == .postrouting || self == .input ? .source : .destination
  }
}

/// The order in which hooks' functions run, as `NF_IP_PRI_*`.
enum HookPriority {
  static let defragmentation = -400
  static let raw = -300
  static let conntrack = -200
  static let mangle = -150
  static let destinationNAT = -100
  static let filter = 0
  static let security = 50
  static let sourceNAT = 100
  static let helper = 300
  static let confirm = Int.max
}

/// A device as rules see it.
public struct InterfaceReference: Hashable, Sendable {
  /// The global device number.
  public var device: UInt32
  /// The index in its namespace.
  public var ifindex: Int32
  /// The number of its interned name.
  public var nameID: UInt32
  /// The device group.
  public var group: UInt32

  /// Makes a reference.
  public init(device: UInt32, ifindex: Int32, nameID: UInt32, group: UInt32 = 0) {
    self.device = device
    self.ifindex = ifindex
    self.nameID = nameID
    self.group = group
  }
}

/// What a hook says about a packet.
public enum NetfilterVerdict: Hashable, Sendable {
  /// It goes on.
  case accept
  /// It ends here.
  case drop(Fate)
  /// Somebody keeps it, as a fragment that waits for the others.
  case stolen
}

/// The same within netfilter, without the fate, which is noted beside.
enum HookOutcome: UInt8 {
  case accept
  case drop
  case stolen
}
