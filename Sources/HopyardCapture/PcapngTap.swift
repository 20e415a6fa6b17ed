public import HopyardSimulator

/// Writes one pcapng file with every interface of every namespace.
///
/// Interfaces are called `namespace/interface`, or `machine/namespace/interface` where there are
/// several machines, and stand in the file from their first frame on. A packet can carry a comment,
/// also one that becomes known only after the packet was captured: with `commentWindow`, so many of
/// the latest packets are held back for `annotate(packet:with:)`.
public final class PcapngTap: CaptureSink {
  /// The first error; capturing has stopped with it.
  public private(set) var failure: CaptureError?
  /// How many packets were captured; the next one gets this number.
  public private(set) var packetCount = 0

  private let output: PcapngFile
  private let openFiles = OpenFiles(limit: 1)
  private let commentWindow: Int
  private var points: [CapturePoint?] = []
  private var interfaces: [Int?] = []
  private var held: [HeldPacket] = []
  private var firstHeld = 0
  private var isFinished = false

  private struct HeldPacket {
    var frame: [UInt8]
    var time: Instant
    var interface: Int
    var direction: CaptureDirection
    var comment: String?
  }

  /// Makes a tap that writes a file; it is created with the first frame or at the end.
  public init(file: String, commentWindow: Int = 0) {
    self.output = PcapngFile(path: file)
    self.commentWindow = max(0, commentWindow)
  }

  deinit { finish() }

  /// Learns of an interface.
  public func register(_ point: CapturePoint) {
    guard point.id >= 0, point.id < 1 << 24 else { return }
    while points.count <= point.id {
      points.append(nil)
      interfaces.append(nil)
    }
    points[point.id] = point
    interfaces[point.id] = nil
  }

  /// Gives an interface its new name, also where its packets stand already.
  public func rename(point id: Int, to name: String) {
    guard points.indices.contains(id), var point = points[id] else { return }
    point.interface = name
    points[id] = point
    guard failure == nil, !isFinished, let interface = interfaces[id] else { return }
    attempt { () throws(CaptureError) in
      try openFiles.open(output.file)
      try output.renameInterface(interface, to: fullName(point))
    }
  }

  /// Adds a frame.
  public func capture(
    _ frame: UnsafeRawBufferPointer,
    at time: Instant,
    on point: Int,
    direction: CaptureDirection
  ) {
    guard failure == nil, !isFinished, let interface = interface(of: point) else { return }
    packetCount += 1
    guard commentWindow > 0 else {
      add(frame, at: time, interface: interface, direction: direction, comment: nil)
      return
    }
    held.append(
      HeldPacket(
        frame: Array(frame),
        time: time,
        interface: interface,
        direction: direction,
        comment: nil
      )
    )
    if held.count - firstHeld > commentWindow { release(1) }
  }

  /// Adds a line to a captured packet's comment, if the packet is not in the file yet.
  public func annotate(packet number: Int, with text: String) {
    let index = number - (packetCount - held.count)
    guard index >= firstHeld, held.indices.contains(index) else { return }
    held[index].comment = held[index].comment.map { $0 + "\n" + text } ?? text
  }

  /// Writes what is still buffered, held packets too.
  public func flush() {
    release(held.count - firstHeld)
    guard failure == nil, !isFinished else { return }
    attempt { () throws(CaptureError) in try write() }
  }

  /// Writes what is still buffered and closes the file.
  public func finish() {
    guard !isFinished else { return }
    flush()
    isFinished = true
    openFiles.closeAll()
  }

  private func interface(of id: Int) -> Int? {
    guard points.indices.contains(id), let point = points[id] else { return nil }
    if let interface = interfaces[id] { return interface }
    let name = fullName(point)
    let interface = output.addInterface(
      name,
      linkType: point.linkType,
      nameLimit: name.utf8.count - point.interface.utf8.count + PcapngFile.longestInterfaceName
    )
    interfaces[id] = interface
    return interface
  }

  private func fullName(_ point: CapturePoint) -> String {
    let name = "\(point.namespace)/\(point.interface)"
    return point.machine.map { "\($0)/\(name)" } ?? name
  }

  private func add(
    _ frame: UnsafeRawBufferPointer,
    at time: Instant,
    interface: Int,
    direction: CaptureDirection,
    comment: String?
  ) {
    let room = PcapngFile.room(for: frame, comment: comment)
    if !output.file.isOpen || output.file.waiting + room > CaptureFile.bufferLimit {
      attempt { () throws(CaptureError) in try write() }
      if failure != nil { return }
    }
    output.addPacket(
      frame,
      at: time,
      interface: interface,
      direction: direction,
      comment: comment
    )
  }

  private func release(_ count: Int) {
    for _ in 0..<max(0, count) {
      let packet = held[firstHeld]
      held[firstHeld].frame = []
      firstHeld += 1
      guard failure == nil else { continue }
      packet.frame.withUnsafeBytes { frame in
        add(
          frame,
          at: packet.time,
          interface: packet.interface,
          direction: packet.direction,
          comment: packet.comment
        )
      }
    }
    if firstHeld > held.count / 2 {
      held.removeFirst(firstHeld)
      firstHeld = 0
    }
  }

  private func write() throws(CaptureError) {
    try openFiles.open(output.file)
    try output.file.write(.pages)
  }

  private func attempt(_ body: () throws(CaptureError) -> Void) {
    do throws(CaptureError) { try body() } catch { failure = failure ?? error }
  }
}
