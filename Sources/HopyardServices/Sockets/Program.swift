import HopyardSimulator
import HopyardWire

/// A program as the kernel sees it: the namespace its sockets are in, whose they are, and the files
/// it can read.
///
/// Programs are `async` functions that run in virtual time (`Simulation.spawn`). A shell's process
/// makes its own with what interrupts it; a test makes one of a namespace alone.
///
///     let program = Program(in: machine.root, name: "probe")
///     simulation.spawn {
///       let stream = try? await TCPStream.connect(program, to: "10.0.0.2", port: 80)
///       stream?.close()
///     }
public final class Program {
  /// The namespace whose network it sees.
  public let namespace: NetworkNamespace
  /// Its name, as `ss -p` shows it.
  public let name: String
  /// Its number.
  public let pid: Int
  /// The user, as `-m owner` sees it.
  public let uid: UInt32
  /// The group.
  public let gid: UInt32
  /// The content of a file by its path; nil when there is none.
  public let contents: (String) -> [UInt8]?
  /// Environment variables that libraries look at (`LOCALDOMAIN`, `RES_OPTIONS`).
  public let environment: [String: String]

  private let interruptions: WaitQueue?
  private let isInterrupted: () -> Bool
  private var nextDescriptor = 3

  /// Makes a program.
  ///
  /// - Parameters:
  ///   - files: gives the content of a file, for `/etc/resolv.conf` and the like.
  ///   - interruptions: woken when a signal comes.
  ///   - isInterrupted: whether a signal waits to be looked at.
  public init(
    in namespace: NetworkNamespace,
    name: String = "program",
    pid: Int = 1,
    uid: UInt32 = 0,
    gid: UInt32 = 0,
    environment: [String: String] = [:],
    files: @escaping (String) -> [UInt8]? = { _ in nil },
    interruptions: WaitQueue? = nil,
    isInterrupted: @escaping () -> Bool = { false }
  ) {
    self.namespace = namespace
    self.name = name
    self.pid = pid
    self.uid = uid
    self.gid = gid
    self.environment = environment
    contents = files
    self.interruptions = interruptions
    self.isInterrupted = isInterrupted
  }

  /// The clock.
  public var simulation: Simulation { namespace.simulation }

  /// Marks a socket as the program's.
  public func own(_ socket: Socket) {
    socket.uid = uid
    socket.gid = gid
    socket.owner = (name, pid, nextDescriptor)
    nextDescriptor += 1
  }

  /// Suspends the program until a queue is woken; false when the deadline passed.
  ///
  /// A signal is `EINTR`.
  @discardableResult
  public func wait(on queues: [WaitQueue], until deadline: Instant? = nil) async throws(SocketError)
    -> Bool
  {
    if isInterrupted() { throw .interrupted }
    let all = interruptions.map { queues + [$0] } ?? queues
    let outcome = await simulation.wait(on: all, until: deadline)
    if isInterrupted() { throw .interrupted }
    return outcome != .timedOut
  }

  /// Suspends the program for some nanoseconds of virtual time.
  public func sleep(nanoseconds: Int64) async throws(SocketError) {
    let deadline = simulation.now + max(nanoseconds, 0)
    while simulation.now < deadline {
      if try await !wait(on: [], until: deadline) { return }
    }
  }

  /// Starts a thread of the program.
  public func spawn(_ body: @escaping () async -> Void) { simulation.spawn(body) }
}

/// An address and a port.
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
  /// The address.
  public var address: IPAddress
  /// The port.
  public var port: UInt16

  /// Makes the address of a socket.
  public init(_ address: IPAddress, _ port: UInt16) {
    self.address = address
    self.port = port
  }

  /// Makes the IPv4 address of a socket.
  public init(_ address: IPv4Address, _ port: UInt16) {
    self.address = .v4(address)
    self.port = port
  }

  /// `10.0.0.1:80` or `[fd00::1]:80`.
  public var description: String {
    switch address {
    case .v4(let address): "\(address):\(port)"
    case .v6(let address): "[\(address)]:\(port)"
    }
  }
}
