-- Add up migration script here
ALTER TABLE "Post" ADD COLUMN slug text;
UPDATE "Post" SET slug = lower(title) WHERE slug IS NULL;
