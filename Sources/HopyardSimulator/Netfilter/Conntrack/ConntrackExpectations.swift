import HopyardWire

extension Conntrack {
  /// Makes a new connection RELATED if a helper announced it.
  func meetExpectation(_ index: UInt32, _ entry: UnsafeMutablePointer<Entry>) {
    let tuple = entry.pointee.original
    let now = core.now.nanoseconds
    guard
      let position = expectations.firstIndex(where: { expected in
        expected.deadline > now && expected.protocol.rawValue == tuple.protocol
          && expected.destination.rawValue == tuple.destination
          && expected.destinationPort == tuple.destinationPort
          && (expected.source == nil || expected.source?.rawValue == tuple.source)
      })
    else { return }
    let expected = expectations.remove(at: position)
    let master = table.entry(expected.master)
    guard master.pointee.generation == expected.masterGeneration else { return }
    entry.pointee.status.insert(.expected)
    entry.pointee.master = expected.master &+ 1
    entry.pointee.mark = master.pointee.mark
    if expected.followsMaster { follow(expected, index) }
  }

  /// Translates an announced connection as the one that announced it (nf_nat_follow_master).
  private func follow(_ expected: ConntrackExpectation, _ index: UInt32) {
    let master = table.entry(expected.master).pointee.tuple(expected.direction)
    setUpNAT(index, NATRange(address: master.destination), .source)
    var range = NATRange(address: master.source)
    range.flags.insert(.protocolSpecified)
    range.minimumPort = expected.savedPort
    range.maximumPort = expected.savedPort
    setUpNAT(index, range, .destination)
  }

  func removeExpectations(of index: UInt32) {
    if !expectations.isEmpty { expectations.removeAll { $0.master == index } }
    ftpLines.forget(index)
    sequenceShifts.forget(index)
  }
}
