import HopyardWire

/// A datagram that waits in a socket.
public struct Datagram: Sendable {
  /// The payload; for raw sockets the whole IP packet, for packet sockets the frame.
  public var bytes: [UInt8]
  /// Who sent it.
  public var source: IPv4Address
  /// The sender's port.
  public var sourcePort: UInt16
  /// To which address it was sent.
  public var destination: IPv4Address
  /// To which port it was sent.
  public var destinationPort: UInt16 = 0
  /// The TTL that it arrived with.
  public var ttl: UInt8
  /// The type of service that it arrived with.
  public var tos: UInt8
  /// The index of the device by which it came.
  public var ifindex: Int32
  /// When it came.
  public var time: Instant
  /// The frame's addressing, for packet sockets.
  public var packetType = PacketType.host
  /// The sender's MAC address, for packet sockets.
  public var sourceMAC = MACAddress.zero
  /// The EtherType, for packet sockets.
  public var etherType = EtherType.ipv4
}

/// An error that waits in a socket with `IP_RECVERR`.
public struct SocketErrorReport: Sendable {
  /// What a system call would return.
  public var error: SocketError
  /// Whether it came from this host itself (`SO_EE_ORIGIN_LOCAL`).
  public var isLocal: Bool
  /// The ICMP type, 0 for a local error.
  public var type: UInt8
  /// The ICMP code.
  public var code: UInt8
  /// The MTU or gateway.
  public var info: UInt32
  /// Who sent the ICMP error.
  public var offender: IPv4Address?
  /// The destination of the packet that caused it.
  public var destination: IPv4Address
  /// What was quoted of the packet above its IP header.
  public var payload: [UInt8]
}

/// The options that all IPv4 sockets have.
public struct SocketOptions: Sendable {
  /// `SO_REUSEADDR`.
  public var reusesAddress = false
  /// `SO_REUSEPORT`.
  public var reusesPort = false
  /// `SO_BROADCAST`.
  public var allowsBroadcast = false
  /// `SO_MARK`.
  public var mark: UInt32 = 0
  /// `SO_BINDTODEVICE`, as an interface index; 0 for none.
  public var boundIfindex: Int32 = 0
  /// The device by which packets leave (`IP_PKTINFO` with each), though they may come by any.
  public var outputIfindex: Int32 = 0
  /// `SO_RCVBUF` as Linux charges it.
  public var receiveBuffer = 212_992
  /// `SO_DONTROUTE`.
  public var isOnLinkOnly = false
  /// `IP_TTL`; 0 for the default.
  public var ttl: UInt8 = 0
  /// `IP_MULTICAST_TTL`.
  public var multicastTTL: UInt8 = 1
  /// `IP_MULTICAST_LOOP`.
  public var loopsMulticast = true
  /// `IP_MULTICAST_IF`, as an interface index.
  public var multicastIfindex: Int32 = 0
  /// `IP_TOS`.
  public var tos: UInt8 = 0
  /// `IP_MTU_DISCOVER`: nil takes the namespace's default.
  public var pathMTUDiscovery: PathMTUDiscovery?
  /// `IP_RECVERR`.
  public var receivesErrors = false
  /// `IP_TRANSPARENT` or `IP_FREEBIND`.
  public var isTransparent = false
  /// `IP_HDRINCL`.
  public var includesHeader = false
  /// IP options to send.
  public var ipOptions: [UInt8] = []

  /// The defaults.
  public init() {}
}

/// `IP_MTU_DISCOVER`.
public enum PathMTUDiscovery: Int32, Sendable {
  /// Never set DF.
  case dont = 0
  /// Set DF where the packet fits.
  case want = 1
  /// Always set DF; too long is an error.
  case `do` = 2
  /// Set DF and ignore the path MTU.
  case probe = 3
  /// Use the interface's MTU and do not set DF.
  case interface = 4
  /// The same, and cut up where needed.
  case omit = 5
}

/// A socket of a namespace.
///
/// Operations never block; programs wait on the wait queues.
public class Socket {
  /// Its number, which packets carry; never 0.
  public final let number: UInt32
  unowned let table: SocketTable
  /// The socket's options.
  @exclusivity(unchecked) public final var options = SocketOptions() {
    didSet { optionEdits &+= 1 }
  }
  /// Counts changes of the options.
  @exclusivity(unchecked) private(set) var optionEdits: UInt64 = 0
  /// The user that owns it.
  @exclusivity(unchecked) public final var uid: UInt32 = 0
  /// The group that owns it.
  @exclusivity(unchecked) public final var gid: UInt32 = 0
  /// The process that owns it, as `ss -p` shows it.
  public final var owner: (name: String, pid: Int, descriptor: Int)?
  /// Woken when there is something to read, or an error.
  public final let readable = WaitQueue()
  /// Woken when there is room to write, or a connection is made.
  public final let writable = WaitQueue()
  /// The error that the next operation returns (`SO_ERROR`).
  @exclusivity(unchecked) public final internal(set) var pendingError: SocketError?
  /// The errors that `MSG_ERRQUEUE` gives.
  public final internal(set) var errorQueue: [SocketErrorReport] = []
  /// Closed sockets take and give nothing.
  @exclusivity(unchecked) public final internal(set) var isClosed = false

  @exclusivity(unchecked) private var queue = DatagramQueue()
  /// How many bytes wait, as Linux charges them.
  @exclusivity(unchecked) public final private(set) var queuedBytes = 0

  init(number: UInt32, table: SocketTable) {
    self.number = number
    self.table = table
  }

  final var stack: IPv4Stack { table.stack }

  /// Takes and clears the pending error.
  public func takeError() -> SocketError? {
    defer { pendingError = nil }
    return pendingError
  }

  /// The next error of the error queue.
  public func takeErrorReport() -> SocketErrorReport? {
    errorQueue.isEmpty ? nil : errorQueue.removeFirst()
  }

  /// Whether something waits to be received.
  public final var hasData: Bool { !queue.isEmpty }

  /// How many datagrams wait.
  public final var queueLength: Int { queue.count }

  /// The next datagram.
  public final func receive() -> Datagram? {
    guard let datagram = queue.popFirst() else { return nil }
    queuedBytes -= Self.charge(datagram.bytes.count)
    return datagram
  }

  /// The next datagram, without taking it.
  public final func peek() -> Datagram? { queue.next }

  /// Puts a datagram into the receive queue; false if it is full.
  final func enqueue(_ datagram: consuming Datagram) -> Bool {
    let charge = Self.charge(datagram.bytes.count)
    guard !isClosed, queuedBytes + charge <= options.receiveBuffer || !hasData else { return false }
    queue.append(datagram)
    queuedBytes += charge
    readable.wakeAll()
    return true
  }

  /// What Linux charges for a datagram: its buffer and the administration of it.
  private static func charge(_ count: Int) -> Int { ((count + 64 + 511) & ~511) + 256 }

  /// Notes an error and wakes who waits.
  func report(_ error: SocketError) {
    pendingError = error
    readable.wakeAll()
    writable.wakeAll()
  }

  func report(_ report: SocketErrorReport) {
    errorQueue.append(report)
    readable.wakeAll()
    writable.wakeAll()
  }

  /// Closes the socket.
  public func close() {
    guard !isClosed else { return }
    isClosed = true
    table.remove(self)
    readable.wakeAll()
    writable.wakeAll()
  }

  /// The output options of a datagram to a destination.
  final func outputOptions(to destination: UInt32, _ ipProtocol: IPProtocol) -> OutputOptions {
    var output = OutputOptions(destination: destination, ipProtocol: ipProtocol)
    let isGroup = destination >> 28 == 0xe
    output.tos = options.tos
    output.ttl = isGroup ? options.multicastTTL : options.ttl
    output.mark = options.mark
    output.outputIfindex =
      options.boundIfindex != 0 ? options.boundIfindex : options.outputIfindex
    output.multicastIfindex = options.multicastIfindex
    output.loopsMulticast = options.loopsMulticast
    output.isOnLinkOnly = options.isOnLinkOnly
    output.allowsBroadcast = options.allowsBroadcast
    output.socket = number
    output.uid = uid
    output.gid = gid
    output.options = options.ipOptions
    output.reportsErrors = options.receivesErrors
    let discovery =
      options.pathMTUDiscovery ?? (stack.settings.noPathMTUDiscovery != 0 ? .dont : .want)
    switch discovery {
    case .dont: break
    case .want: output.dontFragment = true
    case .do:
      output.dontFragment = true
      output.refusesFragmentation = true
    case .probe:
      output.dontFragment = true
      output.refusesFragmentation = true
      output.usesDeviceMTU = true
    case .interface, .omit: output.usesDeviceMTU = true
    }
    return output
  }

  /// Finds the way for a datagram, and refuses broadcasts where they are not allowed.
  final func route(_ output: OutputOptions) throws(SocketError) -> RouteDecision {
    let route = try stack.routeOutput(output)
    if route.type == .broadcast && !options.allowsBroadcast { throw .accessDenied }
    return route
  }
}
