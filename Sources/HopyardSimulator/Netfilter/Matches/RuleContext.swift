import HopyardWire

/// A packet at a hook as rules see it: its fields are read once for all rules.
struct RuleContext {
  var view: PacketView
  let hook: Hook
  let input: InterfaceReference?
  let output: InterfaceReference?
  var sourcePort: UInt16 = 0
  var destinationPort: UInt16 = 0
  /// Whether the ports were there to be read.
  var hasPorts = false
  /// Whether there are words for rules that nf_tables compares by itself: the ports, and of a later
  /// fragment what stands in their place (nft_payload reads both alike).
  var hasWords = false
  private let isNative: Bool
  /// The bits of `--ctstate`; 0 until somebody asks.
  var connectionStates: UInt16 = 0

  @inline(__always)
  init?(
    _ packet: borrowing Packet,
    at hook: Hook,
    input: InterfaceReference?,
    output: InterfaceReference?,
    isNative: Bool
  ) {
    guard let view = PacketView(packet) else { return nil }
    self.isNative = isNative
    self.view = view
    self.hook = hook
    self.input = input
    self.output = output
    readPorts(packet)
  }

  @inline(__always)
  private mutating func readPorts(_ packet: borrowing Packet) {
    switch view.protocol {
    case 6, 17, 33, 132, 136:
      guard view.transportLength >= 4 else { return }
      let both = packet.u32(at: view.transport)
      sourcePort = UInt16(truncatingIfNeeded: both &>> 16)
      destinationPort = UInt16(truncatingIfNeeded: both)
      hasPorts = view.fragmentOffset == 0
      hasWords = hasPorts || isNative && (view.protocol == 6 || view.protocol == 17)
    default: break
    }
  }

  /// Reads the packet again after a target changed it.
  mutating func reread(_ packet: borrowing Packet) {
    guard let view = PacketView(packet) else { return }
    self.view = view
    hasPorts = false
    hasWords = false
    readPorts(packet)
  }
}
