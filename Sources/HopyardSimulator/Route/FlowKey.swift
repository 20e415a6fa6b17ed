/// What a lookup knows about a packet or a connection, as the kernel's `flowi`.
public struct FlowKey<Address: RoutableAddress>: Hashable, Sendable {
  /// The destination.
  public var destination: Address
  /// The source; 0 if it is still to be chosen.
  public var source: Address
  /// The device by which the packet came; 0 for one that is made here.
  ///
  /// Rules take 0 for `iif lo`.
  public var inputIfindex: Int32
  /// The device by which it must leave; 0 for any.
  public var outputIfindex: Int32
  /// The mark.
  public var mark: UInt32
  /// The type of service.
  public var tos: UInt8
  /// The nearest scope that a route must reach: only routes of this or a nearer one count.
  public var scope: RouteScope
  /// The protocol above IP.
  public var ipProtocol: UInt8
  /// The user.
  public var uid: UInt32
  /// The source port, 0 if there is none.
  public var sourcePort: UInt16
  /// The destination port, 0 if there is none.
  public var destinationPort: UInt16

  /// Whether two keys are the same in everything, addresses first.
  @inline(__always)
  public static func == (left: Self, right: Self) -> Bool {
    left.destination == right.destination && left.source == right.source
      && left.inputIfindex == right.inputIfindex && left.mark == right.mark
      && left.tos == right.tos && left.outputIfindex == right.outputIfindex
      && left.scope == right.scope && left.ipProtocol == right.ipProtocol
      && left.uid == right.uid && left.sourcePort == right.sourcePort
      && left.destinationPort == right.destinationPort
  }

  /// Makes a key.
  public init(
    destination: Address,
    source: Address = 0,
    inputIfindex: Int32 = 0,
    outputIfindex: Int32 = 0,
    mark: UInt32 = 0,
    tos: UInt8 = 0,
    scope: RouteScope = .universe,
    ipProtocol: UInt8 = 0,
    uid: UInt32 = 0,
    sourcePort: UInt16 = 0,
    destinationPort: UInt16 = 0
  ) {
    self.destination = destination
    self.source = source
    self.inputIfindex = inputIfindex
    self.outputIfindex = outputIfindex
    self.mark = mark
    self.tos = tos
    self.scope = scope
    self.ipProtocol = ipProtocol
    self.uid = uid
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
  }
}
