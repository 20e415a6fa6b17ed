import HopyardWire

/// The state of a bridge port, as the spanning tree numbers them.
public enum BridgePortState: UInt8, Sendable {
  /// The port or the bridge is down, or the port has no carrier.
  case disabled = 0
  /// It hears and learns nothing yet.
  case listening = 1
  /// It learns addresses but forwards nothing.
  case learning = 2
  /// It forwards.
  case forwarding = 3
  /// It is blocked.
  case blocking = 4

  /// The name that `bridge link` prints.
  public var name: String {
    switch self {
    case .disabled: "disabled"
    case .listening: "listening"
    case .learning: "learning"
    case .forwarding: "forwarding"
    case .blocking: "blocking"
    }
  }
}

/// Switches of a bridge port, as `bridge link set` names them.
public struct BridgePortFlags: OptionSet, Sendable {
  /// The bits.
  public let rawValue: UInt32
  /// Makes flags from bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// A frame may leave by the port by which it came.
  public static let hairpin = BridgePortFlags(rawValue: 1)
  /// `guard`: spanning-tree messages are not accepted.
  public static let bpduGuard = BridgePortFlags(rawValue: 2)
  /// It never becomes the root port.
  public static let rootBlock = BridgePortFlags(rawValue: 4)
  /// A leave message ends a membership at once.
  public static let fastLeave = BridgePortFlags(rawValue: 8)
  /// Source addresses are learned.
  public static let learning = BridgePortFlags(rawValue: 16)
  /// Frames to unknown addresses leave by it.
  public static let flood = BridgePortFlags(rawValue: 32)
  /// Multicast without known members leaves by it.
  public static let multicastFlood = BridgePortFlags(rawValue: 64)
  /// Broadcast leaves by it.
  public static let broadcastFlood = BridgePortFlags(rawValue: 128)
  /// Multicast is sent to each member by unicast.
  public static let multicastToUnicast = BridgePortFlags(rawValue: 256)
  /// The bridge answers ARP for known neighbours.
  public static let neighbourSuppress = BridgePortFlags(rawValue: 512)
  /// VLANs are mapped to tunnels.
  public static let vlanTunnel = BridgePortFlags(rawValue: 1024)
  /// It does not talk to other isolated ports.
  public static let isolated = BridgePortFlags(rawValue: 2048)
  /// Only known source addresses are let in.
  public static let locked = BridgePortFlags(rawValue: 4096)
  /// `proxy_arp`.
  public static let proxyARP = BridgePortFlags(rawValue: 8192)
  /// `proxy_arp_wifi`.
  public static let proxyARPWiFi = BridgePortFlags(rawValue: 16384)
  /// `mab`.
  public static let authenticationBypass = BridgePortFlags(rawValue: 32768)
}

/// A device that is part of a bridge.
public final class BridgePort: ReceiveHandler {
  /// The bridge.
  public var bridge: BridgeDevice { bridgeReference.takeUnretainedValue() }
  /// The device.
  public var device: NetworkDevice { deviceReference.takeUnretainedValue() }
  /// The same without reference counts, for the way of each frame.
  let bridgeReference: Unmanaged<BridgeDevice>
  let deviceReference: Unmanaged<NetworkDevice>
  /// Its number in the bridge, from 1.
  public let number: UInt16
  /// Its state.
  @exclusivity(unchecked) public internal(set) var state = BridgePortState.disabled
  /// Its switches.
  @exclusivity(unchecked) public internal(set) var flags: BridgePortFlags = [
    .learning, .flood, .multicastFlood, .broadcastFlood,
  ]
  /// The VLANs that it carries.
  @exclusivity(unchecked) public internal(set) var vlans = BridgeVLANs()
  /// Its spanning-tree priority.
  public internal(set) var priority: UInt8 = 32
  /// Its spanning-tree cost.
  public internal(set) var cost: UInt32
  /// Whether and how a multicast router is behind it (`mcast_router`).
  public internal(set) var multicastRouter: UInt8 = 1
  /// Reserved groups that it lets through (`group_fwd_mask`).
  @exclusivity(unchecked) public internal(set) var groupForwardMask: UInt16 = 0
  /// Until when a multicast router is known to be behind it.
  var routerUntil = Instant.zero

  init(bridge: BridgeDevice, device: NetworkDevice, number: UInt16) {
    bridgeReference = .passUnretained(bridge)
    deviceReference = .passUnretained(device)
    self.number = number
    cost = device.portCost
  }

  func handle(_ packet: consuming Packet, on device: NetworkDevice) -> ReceiveResult {
    let slot = packet.intoSlot()
    var result = ReceiveResult.consumed
    bridgeReference._withUnsafeGuaranteedRef { result = $0.input(Packet(slot: slot), from: self) }
    return result
  }
}

extension NetworkDevice {
  /// The spanning-tree cost of the device's speed, where it tells one.
  var portCost: UInt32 {
    switch kind {
    case "vlan", "macvlan": lower?.portCost ?? 100
    case "veth", "": 2
    case "vxlan": (self as? VXLANDevice)?.lowerDevice?.portCost ?? 100
    default: 100
    }
  }

  /// The bridge port that the device is.
  public var bridgePort: BridgePort? { receiveHandler as? BridgePort }
}
