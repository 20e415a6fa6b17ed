import HopyardSimulator

/// What a file descriptor stands for: a file, an end of a pipe, a device.
///
/// Reading and writing never block here; `Process.read` and `Process.write` wait on the queues.
open class OpenFile {
  private var references = 0
  private var pushedBack: [UInt8] = []

  /// Makes an open file that no descriptor names yet.
  public init() {}

  /// Up to `limit` bytes; empty at the end; nil when there is nothing yet.
  open func tryRead(_ limit: Int) throws(Errno) -> [UInt8]? { throw .badDescriptor }

  /// How many of the bytes were taken; 0 when there is no room yet.
  open func tryWrite(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int { throw .badDescriptor }

  /// Woken when there may be something to read; nil when reading never has to wait.
  open var readable: WaitQueue? { nil }

  /// Woken when there may be room to write; nil when writing never has to wait.
  open var writable: WaitQueue? { nil }

  /// Up to `limit` bytes as `tryRead` gives them, after those that were pushed back.
  public final func receive(_ limit: Int = 65_536) throws(Errno) -> [UInt8]? {
    if pushedBack.isEmpty { return try tryRead(max(limit, 1)) }
    let bytes = Array(pushedBack.prefix(max(limit, 1)))
    pushedBack.removeFirst(bytes.count)
    return bytes
  }

  /// Puts bytes back, to be received before all others.
  public final func pushBack(_ bytes: some Sequence<UInt8>) {
    pushedBack = Array(bytes) + pushedBack
  }

  /// Called once, when the last descriptor is closed.
  open func close() {}

  /// Counts one more descriptor.
  public final func retain() { references += 1 }

  /// Counts one descriptor less.
  public final func release() {
    references -= 1
    if references == 0 { close() }
  }
}

/// `/dev/null`, `/dev/zero`, `/dev/full` and `/dev/urandom`.
final class DeviceFile: OpenFile {
  enum Kind {
    case null
    case zero
    case full
    case random
  }

  private let kind: Kind
  private var random: RandomSource

  init(_ kind: Kind, random: RandomSource) {
    self.kind = kind
    self.random = random
  }

  override func tryRead(_ limit: Int) throws(Errno) -> [UInt8]? {
    switch kind {
    case .null: return []
    case .zero, .full: return Array(repeating: 0, count: min(limit, 65_536))
    case .random:
      return (0..<min(limit, 65_536)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }
  }

  override func tryWrite(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    if kind == .full { throw .noSpace }
    return bytes.count
  }
}

/// Where a run's output goes: kept in order, and handed on as it comes.
public final class OutputSink: OpenFile {
  /// Everything written so far.
  public private(set) var bytes: [UInt8] = []
  private let onWrite: ((ArraySlice<UInt8>) -> Void)?
  private let limit: Int

  /// Makes a sink; `onWrite` sees each write.
  public init(limit: Int = 1 << 28, onWrite: ((ArraySlice<UInt8>) -> Void)? = nil) {
    self.limit = limit
    self.onWrite = onWrite
  }

  public override func tryWrite(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    if self.bytes.count &+ bytes.count > limit { throw .noSpace }
    self.bytes += bytes
    onWrite?(bytes)
    return bytes.count
  }
}

/// A pipe: at most 64 KiB between its two ends.
public final class Pipe {
  static let capacity = 65_536

  fileprivate var buffer: [UInt8] = []
  fileprivate var first = 0
  fileprivate var hasReader = true
  fileprivate var hasWriter = true
  fileprivate let filled = WaitQueue()
  fileprivate let drained = WaitQueue()

  /// The end to read from.
  public private(set) lazy var reader: OpenFile = Reader(self)
  /// The end to write to.
  public private(set) lazy var writer: OpenFile = Writer(self)

  /// Makes an empty pipe.
  public init() {}

  private final class Reader: OpenFile {
    let pipe: Pipe
    init(_ pipe: Pipe) { self.pipe = pipe }

    override func tryRead(_ limit: Int) throws(Errno) -> [UInt8]? {
      let available = pipe.buffer.count - pipe.first
      if available == 0 { return pipe.hasWriter ? nil : [] }
      let count = min(limit, available)
      let bytes = Array(pipe.buffer[pipe.first..<(pipe.first + count)])
      pipe.first += count
      if pipe.first == pipe.buffer.count {
        pipe.buffer.removeAll(keepingCapacity: true)
        pipe.first = 0
      }
      pipe.drained.wakeAll()
      return bytes
    }

    override var readable: WaitQueue? { pipe.filled }

    override func close() {
      pipe.hasReader = false
      pipe.drained.wakeAll()
    }
  }

  private final class Writer: OpenFile {
    let pipe: Pipe
    init(_ pipe: Pipe) { self.pipe = pipe }

    override func tryWrite(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
      guard pipe.hasReader else { throw .brokenPipe }
      let room = Pipe.capacity - (pipe.buffer.count - pipe.first)
      // What fits in a page is written whole or not at all.
      if bytes.count > room, bytes.count <= 4096 { return 0 }
      let count = min(bytes.count, room)
      if count > 0 {
        if pipe.first > Pipe.capacity {
          pipe.buffer.removeFirst(pipe.first)
          pipe.first = 0
        }
        pipe.buffer += bytes.prefix(count)
        pipe.filled.wakeAll()
      }
      return count
    }

    override var writable: WaitQueue? { pipe.drained }

    override func close() {
      pipe.hasWriter = false
      pipe.filled.wakeAll()
    }
  }
}
