import HopyardWire

/// The devices of a namespace, by index, by name and by address.
public final class DeviceTable {
  /// In order of index, as Linux lists them.
  @exclusivity(unchecked) public private(set) var all: [NetworkDevice] = []
  @exclusivity(unchecked) private var byIndex: ContiguousArray<NetworkDevice?> = []
  private var byLargeIndex: [Int32: NetworkDevice] = [:]
  /// Every local address, in order, with how many devices have it.
  @exclusivity(unchecked) private var localAddresses:
    ContiguousArray<(address: UInt32, users: Int32)> =
      []
  private var lastIndex: Int32 = 1
  /// `lo`.
  public let loopback: NetworkDevice

  init(loopback: NetworkDevice) {
    self.loopback = loopback
    insert(loopback)
  }

  /// The device with an index.
  @inline(__always)
  public subscript(ifindex: Int32) -> NetworkDevice? {
    let place = Int(ifindex)
    if place >= 0 && place < byIndex.count { return byIndex[place] }
    return byLargeIndex[ifindex]
  }

  /// The device with a name.
  public subscript(name: String) -> NetworkDevice? {
    // Names are compared as the numbers that stand for them; a table by name would cost every idle
    // host more than it saves.
    guard let id = loopback.simulation.knownInterfaceNameID(name) else { return nil }
    return all.first { $0.nameID == id }
  }

  /// The index that the next new device gets.
  func nextIndex() -> Int32 {
    repeat { lastIndex &+= 1 } while lastIndex <= 0 || self[lastIndex] != nil
    return lastIndex
  }

  /// Keeps a device; one that arrives keeps its index where that is free.
  func insert(_ device: NetworkDevice) {
    let place = Int(device.ifindex)
    if place < 4096 {
      while byIndex.count <= place { byIndex.append(nil) }
      byIndex[place] = device
    } else {
      byLargeIndex[device.ifindex] = device
    }
    if let last = all.last, last.ifindex > device.ifindex {
      let at = all.firstIndex { $0.ifindex > device.ifindex } ?? all.count
      all.insert(device, at: at)
    } else {
      all.append(device)
    }
  }

  func remove(_ device: NetworkDevice) {
    let place = Int(device.ifindex)
    if place < byIndex.count { byIndex[place] = nil } else { byLargeIndex[device.ifindex] = nil }
    all.removeAll { $0 === device }
  }

  func rename(_ device: NetworkDevice, to name: String) {
    device.name = name
    device.nameID = device.simulation.interfaceNameID(name)
  }

  // MARK: Addresses

  /// Whether a device of this namespace has the address.
  @inline(__always)
  public func isLocalAddress(_ address: UInt32) -> Bool {
    let place = place(of: address)
    return place < localAddresses.count && localAddresses[place].address == address
  }

  /// Where an address is among the local ones, which are in order, or would be.
  @inline(__always)
  private func place(of address: UInt32) -> Int {
    var low = 0
    var high = localAddresses.count
    while low < high {
      let middle = (low &+ high) / 2
      if localAddresses[middle].address < address { low = middle &+ 1 } else { high = middle }
    }
    return low
  }

  /// The first device that has the address.
  public func device(withAddress address: UInt32) -> NetworkDevice? {
    guard isLocalAddress(address) else { return nil }
    return all.first { $0.inet.addresses.contains { $0.local == address } }
  }

  func noteAddress(_ address: UInt32, added: Bool) {
    let place = place(of: address)
    if place < localAddresses.count, localAddresses[place].address == address {
      localAddresses[place].users += added ? 1 : -1
      if localAddresses[place].users <= 0 { localAddresses.remove(at: place) }
    } else if added {
      localAddresses.insert((address, 1), at: place)
    }
  }
}
