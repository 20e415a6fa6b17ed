import CPcap
public import HopyardSimulator

/// Records of a pcap file, as libpcap writes them.
///
/// libpcap's own function writes to a stream, which costs more than all the rest of a hop. It writes
/// the file header and one record, for comparison; where ours has the same bytes, as it has on every
/// system so far, it is taken from then on.
public final class PcapEncoder {
  /// The longest frame that a record holds; of a longer one the beginning is kept.
  public static let snapshotLength = 262_144
  /// The bytes before a record's frame.
  public static let recordHeaderLength = 16

  /// The file header, with which every file of this kind begins.
  public let header: [UInt8]
  /// What the frames begin with.
  public let linkType: LinkType

  private let memory: UnsafeMutablePointer<hopyard_memory>
  private let handle: OpaquePointer
  private let dumper: OpaquePointer
  private let nanosecondsPerUnit: Int64
  /// Whether our own records have been found to be libpcap's.
  private var isAgreed = false

  /// Makes an encoder, with times in nanoseconds or (as `tcpdump -w` does) in microseconds.
  public init(linkType: LinkType, nanoseconds: Bool = true) throws(CaptureError) {
    let precision = nanoseconds ? PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO
    guard
      let handle = pcap_open_dead_with_tstamp_precision(
        linkType.dataLink,
        Int32(Self.snapshotLength),
        UInt32(precision)
      )
    else { throw CaptureError(file: "libpcap", reason: "out of memory") }
    let memory = UnsafeMutablePointer<hopyard_memory>.allocate(capacity: 1)
    let space = UnsafeMutablePointer<UInt8>.allocate(capacity: 64)
    defer { space.deallocate() }
    memory.initialize(to: hopyard_memory(bytes: space, count: 0, capacity: 64))
    guard let file = hopyard_memory_open(memory), let dumper = pcap_dump_fopen(handle, file) else {
      pcap_close(handle)
      memory.deallocate()
      throw CaptureError(file: "libpcap", reason: "out of memory")
    }
    self.header = Array(UnsafeBufferPointer(start: space, count: memory.pointee.count))
    memory.pointee = hopyard_memory(bytes: nil, count: 0, capacity: 0)
    self.linkType = linkType
    self.memory = memory
    self.handle = handle
    self.dumper = dumper
    self.nanosecondsPerUnit = nanoseconds ? 1 : 1000
    isAgreed = agrees()
  }

  /// Compares a record of each kind.
  private func agrees() -> Bool {
    let frame = [UInt8](0..<60)
    let time = Instant(nanoseconds: 1_234_567_890_123_456_789)
    let theirs = record(frame, at: time)
    isAgreed = true
    let ours = record(frame, at: time)
    return ours == theirs
  }

  deinit {
    pcap_dump_close(dumper)
    pcap_close(handle)
    memory.deallocate()
  }

  /// The size of a frame's record.
  @inline(__always)
  public func recordLength(of frame: UnsafeRawBufferPointer) -> Int {
    Self.recordHeaderLength + min(frame.count, Self.snapshotLength)
  }

  /// Writes a frame's record to memory that has room for `recordLength(of:)` bytes, and returns
  /// how many it took.
  public func write(
    _ frame: UnsafeRawBufferPointer,
    at time: Instant,
    to target: UnsafeMutableRawPointer
  ) -> Int {
    let captured = min(frame.count, Self.snapshotLength)
    let nanoseconds = max(0, time.nanoseconds)
    let seconds = nanoseconds / 1_000_000_000
    let fraction = (nanoseconds - seconds * 1_000_000_000) / nanosecondsPerUnit
    if isAgreed {
      target.storeBytes(of: UInt32(truncatingIfNeeded: seconds), as: UInt32.self)
      target.storeBytes(
        of: UInt32(truncatingIfNeeded: fraction),
        toByteOffset: 4,
        as: UInt32.self
      )
      target.storeBytes(
        of: UInt32(truncatingIfNeeded: captured),
        toByteOffset: 8,
        as: UInt32.self
      )
      target.storeBytes(
        of: UInt32(truncatingIfNeeded: frame.count),
        toByteOffset: 12,
        as: UInt32.self
      )
      if let source = frame.baseAddress, captured > 0 {
        (target + Self.recordHeaderLength).copyMemory(from: source, byteCount: captured)
      }
      return Self.recordHeaderLength + captured
    }
    memory.pointee = hopyard_memory(
      bytes: target.assumingMemoryBound(to: UInt8.self),
      count: 0,
      capacity: Self.recordHeaderLength + captured
    )
    hopyard_dump(
      dumper,
      seconds,
      Int32(truncatingIfNeeded: fraction),
      UInt32(truncatingIfNeeded: captured),
      UInt32(truncatingIfNeeded: frame.count),
      frame.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? UnsafePointer(memory.pointee.bytes)
    )
    return memory.pointee.count
  }

  /// The record of a frame, for files that are kept in memory.
  public func record(_ frame: [UInt8], at time: Instant) -> [UInt8] {
    frame.withUnsafeBytes { bytes in
      let length = recordLength(of: bytes)
      return [UInt8](unsafeUninitializedCapacity: length) { target, count in
        guard let base = target.baseAddress else { return }
        count = write(bytes, at: time, to: UnsafeMutableRawPointer(base))
      }
    }
  }
}

extension LinkType {
  /// The number that libpcap's functions want, which is not always the one in files.
  var dataLink: Int32 {
    switch self {
    case .ethernet: DLT_EN10MB
    case .raw: DLT_RAW
    }
  }
}
