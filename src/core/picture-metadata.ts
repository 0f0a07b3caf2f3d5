/** What a picture may carry beside its pixels. */
export interface PictureMetadata {
  /** Exif data without the words in front of it. */
  readonly exif?: Buffer | undefined;
  /** An XMP packet. */
  readonly xmp?: string | undefined;
}
