public import HopyardSimulator

/// Writes a pcapng for each namespace, `DIR/capture/NS.pcapng`, as the recorder of kernel labs does.
///
/// Every interface of the namespace stands in it, also without a packet, with the last name it had.
/// A namespace made anew takes the place of the one that had its name before.
public final class RecordTap: CaptureSink {
  /// The first error; capturing has stopped with it.
  public private(set) var failure: CaptureError?

  private let directory: String
  private let openFiles: OpenFiles
  private var points: [Slot?] = []
  private var outputs: [PcapngFile] = []
  private var outputByName: [String: Int] = [:]
  private var isFinished = false

  private struct Slot {
    var output: PcapngFile
    var interface: Int
  }

  /// Makes a tap that writes below a record's directory, with at most so many files open at once.
  public init(directory: String, openFiles: Int = 256) {
    self.directory = directory
    self.openFiles = OpenFiles(limit: openFiles)
  }

  deinit { finish() }

  /// Adds an interface to its namespace's file.
  public func register(_ point: CapturePoint) {
    guard failure == nil, !isFinished, point.id >= 0, point.id < 1 << 24 else { return }
    while points.count <= point.id { points.append(nil) }
    attempt { () throws(CaptureError) in
      let output = try output(for: point)
      let interface = output.addInterface(
        point.interface,
        linkType: point.linkType,
        nameLimit: PcapngFile.longestInterfaceName
      )
      points[point.id] = Slot(output: output, interface: interface)
    }
  }

  /// Gives an interface its new name, also where its packets stand already.
  public func rename(point id: Int, to name: String) {
    guard failure == nil, !isFinished, points.indices.contains(id), let slot = points[id]
    else { return }
    attempt { () throws(CaptureError) in
      try openFiles.open(slot.output.file)
      try slot.output.renameInterface(slot.interface, to: name)
    }
  }

  /// Adds a frame to its namespace's file.
  public func capture(
    _ frame: UnsafeRawBufferPointer,
    at time: Instant,
    on point: Int,
    direction: CaptureDirection
  ) {
    guard failure == nil, !isFinished, points.indices.contains(point), let slot = points[point]
    else { return }
    let file = slot.output.file
    let room = PcapngFile.room(for: frame, comment: nil)
    if file.waiting + room > CaptureFile.bufferLimit {
      attempt { () throws(CaptureError) in try write(file) }
      if failure != nil { return }
    }
    slot.output.addPacket(frame, at: time, interface: slot.interface, direction: direction)
  }

  /// Writes what is still buffered.
  public func flush() {
    guard !isFinished else { return }
    for output in outputs {
      attempt { () throws(CaptureError) in try write(output.file) }
    }
  }

  /// Writes what is still buffered and closes the files.
  public func finish() {
    guard !isFinished else { return }
    flush()
    isFinished = true
    openFiles.closeAll()
    points.removeAll()
    outputs.removeAll()
  }

  private func output(for point: CapturePoint) throws(CaptureError) -> PcapngFile {
    let name = CapturePath.namespace(machine: point.machine, namespace: point.namespace)
    let isLoopbackOfNewNamespace = point.ifindex == 1
    if let number = outputByName[name], !isLoopbackOfNewNamespace { return outputs[number] }
    let output = PcapngFile(path: "\(directory)/capture/\(name).pcapng")
    if let number = outputByName[name] {
      let former = outputs[number]
      openFiles.close(former.file)
      for id in points.indices where points[id]?.output === former { points[id] = nil }
      outputs[number] = output
    } else {
      outputByName[name] = outputs.count
      outputs.append(output)
    }
    // Created at once, so that an unwritable directory shows before the run.
    try write(output.file)
    return output
  }

  private func write(_ file: CaptureFile) throws(CaptureError) {
    guard file.waiting > 0 else { return }
    try openFiles.open(file)
    try file.write(.pages)
  }

  private func attempt(_ body: () throws(CaptureError) -> Void) {
    do throws(CaptureError) { try body() } catch { failure = failure ?? error }
  }
}
