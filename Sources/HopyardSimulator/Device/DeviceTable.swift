import HopyardWire

/// The devices of a namespace, by index, by name and by address.
public final class DeviceTable {
  /// In order of index, as Linux lists them.
  @exclusivity(unchecked) public private(set) var all: [NetworkDevice] = []
  @exclusivity(unchecked) private var byIndex: ContiguousArray<NetworkDevice?> = []
  private var byLargeIndex: [Int32: NetworkDevice] = [:]
  private var byName: [String: NetworkDevice] = [:]
  /// Every local address with how many devices have it.
  @exclusivity(unchecked) private var localAddresses: [UInt32: Int] = [:]
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
  public subscript(name: String) -> NetworkDevice? { byName[name] }

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
    byName[device.name] = device
    let at = all.firstIndex { $0.ifindex > device.ifindex } ?? all.count
    all.insert(device, at: at)
  }

  func remove(_ device: NetworkDevice) {
    let place = Int(device.ifindex)
    if place < byIndex.count { byIndex[place] = nil } else { byLargeIndex[device.ifindex] = nil }
    byName[device.name] = nil
    all.removeAll { $0 === device }
  }

  func rename(_ device: NetworkDevice, to name: String) {
    byName[device.name] = nil
    device.name = name
    device.nameID = device.simulation.interfaceNameID(name)
    byName[name] = device
  }

  // MARK: Addresses

  /// Whether a device of this namespace has the address.
  @inline(__always)
  public func isLocalAddress(_ address: UInt32) -> Bool { localAddresses[address] != nil }

  /// The first device that has the address.
  public func device(withAddress address: UInt32) -> NetworkDevice? {
    guard isLocalAddress(address) else { return nil }
    return all.first { $0.inet.addresses.contains { $0.local == address } }
  }

  func noteAddress(_ address: UInt32, added: Bool) {
    let users = (localAddresses[address] ?? 0) + (added ? 1 : -1)
    localAddresses[address] = users > 0 ? users : nil
  }
}
