import HopyardWire

/// Who sent a packet, as the `owner` match asks.
enum PacketOwner {
  /// Nobody here: it was forwarded.
  case none
  /// The kernel itself: there is a socket, but no user.
  case kernel
  /// A user's socket.
  case user(uid: UInt32, gid: UInt32)
}

/// What netfilter asks of the floors above it; a namespace answers.
protocol NetfilterEnvironment: AnyObject {
  var simulation: Simulation { get }
  var namespaceName: String { get }
  /// The name of a device, by its global number.
  func interfaceName(_ device: UInt32) -> String
  /// A device as rules see it, by its global number; nil if it is not in this namespace.
  func interfaceReference(_ device: UInt32) -> InterfaceReference?
  /// What kind of address it is (`addrtype`), looked up on one interface or on all.
  func addressType(of address: IPv4Address, on ifindex: Int32?) -> RouteType
  /// The address with which packets leave by a device towards a destination (`MASQUERADE`).
  func sourceAddress(
    toward destination: IPv4Address,
    output: InterfaceReference
  ) -> IPv4Address?
  /// The first address of a device (`REDIRECT`).
  func firstAddress(of device: UInt32) -> IPv4Address?
  /// Finds the route of a local packet anew after its address or mark changed; nil for no route.
  func reroute(_ packet: inout Packet) -> InterfaceReference?
  /// Puts a datagram together; false if this fragment waits for others.
  func defragment(_ packet: inout Packet, at hook: Hook) -> Bool
  /// Answers with ICMP destination unreachable (`REJECT`).
  func sendUnreachable(
    about packet: borrowing Packet,
    code: UInt8,
    hook: Hook,
    input: InterfaceReference?
  )
  /// Answers with a TCP reset (`REJECT --reject-with tcp-reset`).
  ///
  /// The reset belongs to the packet's connection: see ``Netfilter/attach(_:to:)``.
  func sendReset(about packet: borrowing Packet, hook: Hook, input: InterfaceReference?)
  /// Sends a copy to another host by way of a gateway (`TEE`).
  func sendCopy(of packet: borrowing Packet, toward gateway: IPv4Address, output: String?)
  /// Who sent a packet that leaves.
  func owner(of packet: borrowing Packet) -> PacketOwner
  /// Whether the route back to the source leaves by the device that the packet came by.
  func isReversePathRight(
    of packet: borrowing Packet,
    input: InterfaceReference,
    loose: Bool,
    acceptLocal: Bool,
    validMark: Bool
  ) -> Bool
  /// The realms of the packet's route, source in the upper half (`realm`).
  func routeRealms(
    of packet: borrowing Packet,
    input: InterfaceReference?,
    output: InterfaceReference?
  ) -> UInt32
  /// Whether a socket would take the packet; `transparent` ones only, if asked.
  func hasSocket(for packet: borrowing Packet, onlyTransparent: Bool, noWildcard: Bool) -> Bool
  /// Gives the packet to a local socket (`TPROXY`); false if there is none.
  func assignSocket(
    _ packet: inout Packet,
    address: IPv4Address,
    port: UInt16,
    input: InterfaceReference?
  ) -> Bool
  /// The smaller MTU of the packet's own way and of the way back (`TCPMSS --clamp-mss-to-pmtu`).
  func smallestPathMTU(of packet: borrowing Packet, output: InterfaceReference?) -> Int
  /// Writes a line to the kernel's log.
  func log(_ line: String)
}
