public import HopyardSimulator

/// Writes a pcap for each interface: `DIR/<machine>/<namespace>/<interface>.pcap`.
///
/// A file is made with the interface's first frame and keeps the name that the interface had then;
/// a later interface of the same name gets `.2`. libpcap writes the records.
public final class PcapDirectoryTap: CaptureSink {
  /// The first error; capturing has stopped with it.
  @exclusivity(unchecked) public private(set) var failure: CaptureError?

  private let directory: String
  private let memoryLimit: Int
  private let openFiles: OpenFiles
  @exclusivity(unchecked) private var points: [Slot?] = []
  private var files: [CaptureFile] = []
  private var paths: Set<String> = []
  private var encoders: [PcapEncoder] = []
  private var memory = 0
  private var isFinished = false

  private final class Slot {
    var point: CapturePoint
    var file: CaptureFile?
    var encoder: PcapEncoder?

    init(_ point: CapturePoint) { self.point = point }
  }

  /// Makes a tap that writes below a directory, with at most so many files open at once and about
  /// so many bytes waiting to be written.
  public init(directory: String, openFiles: Int = 256, memoryLimit: Int = 64 << 20) {
    self.directory = directory
    self.openFiles = OpenFiles(limit: openFiles)
    self.memoryLimit = memoryLimit
  }

  deinit { finish() }

  /// Learns of an interface; its file comes with its first frame.
  public func register(_ point: CapturePoint) {
    guard point.id >= 0, point.id < 1 << 24 else { return }
    while points.count <= point.id { points.append(nil) }
    points[point.id] = Slot(point)
  }

  /// Learns an interface's new name, which counts if it has no file yet.
  public func rename(point id: Int, to name: String) {
    guard points.indices.contains(id) else { return }
    points[id]?.point.interface = name
  }

  /// Adds a frame to its interface's file.
  public func capture(
    _ frame: UnsafeRawBufferPointer,
    at time: Instant,
    on point: Int,
    direction: CaptureDirection
  ) {
    guard failure == nil, !isFinished, points.indices.contains(point), let slot = points[point]
    else { return }
    do throws(CaptureError) {
      if slot.file == nil { try create(slot) }
      guard let file = slot.file, let encoder = slot.encoder else { return }
      let length = encoder.recordLength(of: frame)
      if file.waiting + length > CaptureFile.bufferLimit { try write(file) }
      let before = file.capacity
      let room = file.room(for: length)
      file.add(encoder.write(frame, at: time, to: room))
      if file.capacity != before {
        memory += file.capacity - before
        if memory > memoryLimit { try writeAll() }
      }
    } catch { failure = error }
  }

  /// Writes what is still buffered.
  public func flush() {
    for file in files {
      do throws(CaptureError) { try write(file) } catch { failure = failure ?? error }
    }
  }

  /// Writes what is still buffered and closes the files.
  public func finish() {
    guard !isFinished else { return }
    flush()
    isFinished = true
    openFiles.closeAll()
    for file in files { file.discard() }
  }

  private func create(_ slot: Slot) throws(CaptureError) {
    let file = CaptureFile(path: unusedPath(for: slot.point))
    let encoder = try encoder(for: slot.point.linkType)
    try openFiles.open(file)
    let header = encoder.header
    header.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      file.room(for: bytes.count).copyMemory(from: base, byteCount: bytes.count)
      file.add(bytes.count)
    }
    memory += file.capacity
    files.append(file)
    slot.file = file
    slot.encoder = encoder
    try file.write(.cover)
  }

  private func unusedPath(for point: CapturePoint) -> String {
    let folder = CapturePath.namespace(machine: point.machine, namespace: point.namespace)
    let stem = "\(directory)/\(folder)/\(CapturePath.component(point.interface))"
    var path = stem + ".pcap"
    var number = 2
    while !paths.insert(path).inserted {
      path = "\(stem).\(number).pcap"
      number += 1
    }
    return path
  }

  private func encoder(for linkType: LinkType) throws(CaptureError) -> PcapEncoder {
    if let encoder = encoders.first(where: { $0.linkType == linkType }) { return encoder }
    let encoder = try PcapEncoder(linkType: linkType)
    encoders.append(encoder)
    return encoder
  }

  private func write(_ file: CaptureFile) throws(CaptureError) {
    guard file.waiting > 0 else { return }
    try openFiles.open(file)
    try file.write(.cover)
  }

  /// Writes everything and starts again with small buffers.
  private func writeAll() throws(CaptureError) {
    for file in files {
      try write(file)
      file.discard()
    }
    memory = 0
  }
}
