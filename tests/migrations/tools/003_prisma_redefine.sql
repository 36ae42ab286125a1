-- DropForeignKey
ALTER TABLE "Post" DROP CONSTRAINT "Post_authorId_fkey";
-- AlterTable
ALTER TABLE "Post" ALTER COLUMN "authorId" DROP NOT NULL,
ALTER COLUMN "title" SET DATA TYPE TEXT;
-- AddForeignKey
ALTER TABLE "Post" ADD CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "User"("id") ON DELETE SET NULL ON UPDATE CASCADE;
